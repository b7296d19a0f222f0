/* Preloaded library in which fsync hangs for 30 s while the file $HANG exists, as on a failing disk. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int hang(void) {
    const char *path = getenv("HANG");
    struct timespec pause = { 30, 0 };
    return path != NULL && access(path, F_OK) == 0 ? nanosleep(&pause, NULL) : 0;
}

int fsync(int fd) { return fd < 0 ? -1 : hang(); }
int fdatasync(int fd) { return fd < 0 ? -1 : hang(); }
