/* uname() that reports $MACHINE, such as aarch64 for a 32-bit system on a 64-bit kernel. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

int uname(struct utsname *name)
{
    int status = syscall(SYS_uname, name);
    const char *machine = getenv("MACHINE");
    if (status == 0 && machine)
        snprintf(name->machine, sizeof name->machine, "%s", machine);
    return status;
}
