/* Library for LD_PRELOAD: each fsync takes $SYNC_MS milliseconds, as on an SD card. */
#include <stdlib.h>
#include <time.h>

static int nap(void) {
    const char *text = getenv("SYNC_MS");
    long milliseconds = text ? atol(text) : 30;
    struct timespec pause = { milliseconds / 1000, milliseconds % 1000 * 1000000L };
    return nanosleep(&pause, NULL);
}

int fsync(int fd) { return fd < 0 ? -1 : nap(); }
int fdatasync(int fd) { return fd < 0 ? -1 : nap(); }
