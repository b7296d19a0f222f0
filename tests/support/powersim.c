/* Preloaded library that records every change to files in $POWERSIM_DIR to $POWERSIM_LOG, so that
   tests/support/power_cut.py can rebuild the contents of the disk after a power cut at any moment.

   A record is kind, file (inode number), payload length, offset, and the payload. Kinds: w write,
   t truncate, s sync of a file, d sync of the folder, n create, m rename (old name, zero byte, new name),
   u unlink. Writes through a memory map (SQLite's -shm file) are not recorded; SQLite rebuilds that file. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 1024
enum { OTHER, RECORDED, FOLDER };
static char kinds[MAX_DESCRIPTORS];
static int out = -1;
static const char *dir;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = dlsym(RTLD_NEXT, #name)

static int open_for_real(const char *path, int flags, mode_t mode) {
    REAL(int, open, const char *, int, ...);
    return real(path, flags, mode);
}

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("POWERSIM_LOG");
    dir = getenv("POWERSIM_DIR");
    if (!log || !dir) return;
    int fd = open_for_real(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    out = fcntl(fd, F_DUPFD_CLOEXEC, MAX_DESCRIPTORS + 100);
    close(fd);
}

static void record(char kind, uint64_t file, uint64_t offset, const void *bytes, size_t length) {
    struct { uint64_t kind, file, length, offset; } head = { kind, file, length, offset };
    struct iovec parts[2] = { { &head, sizeof head }, { (void *)bytes, length } };
    if (writev(out, parts, length ? 2 : 1) < 0) abort();
}

static const char *within(const char *path) {
    size_t length = dir ? strlen(dir) : 0;
    return out >= 0 && !strncmp(path, dir, length) && path[length] == '/' ? path + length + 1 : NULL;
}

static uint64_t inode(int fd) {
    struct stat found;
    return fstat(fd, &found) ? 0 : found.st_ino;
}

static int opened(const char *path, int flags, mode_t mode) {
    pthread_mutex_lock(&lock);
    const char *name = within(path);
    int is_new = name && (flags & O_CREAT) && access(path, F_OK);
    int fd = open_for_real(path, flags, mode);
    if (fd >= 0 && fd < MAX_DESCRIPTORS) {
        kinds[fd] = name ? RECORDED : (out >= 0 && !strcmp(path, dir)) ? FOLDER : OTHER;
        if (is_new) record('n', inode(fd), 0, name, strlen(name));
        else if (name && (flags & O_TRUNC)) record('t', inode(fd), 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPEN(name) int name(const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); \
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    return opened(path, flags, mode); }
OPEN(open)
OPEN(open64)

static int is(int fd, char kind) { return fd >= 0 && fd < MAX_DESCRIPTORS && kinds[fd] == kind; }

#define PWRITE(name) ssize_t name(int fd, const void *bytes, size_t length, off_t offset) { \
    REAL(ssize_t, name, int, const void *, size_t, off_t); \
    if (!is(fd, RECORDED)) return real(fd, bytes, length, offset); \
    pthread_mutex_lock(&lock); \
    ssize_t done = real(fd, bytes, length, offset); \
    if (done > 0) record('w', inode(fd), offset, bytes, done); \
    pthread_mutex_unlock(&lock); \
    return done; }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(ssize_t, write, int, const void *, size_t);
    if (!is(fd, RECORDED)) return real(fd, bytes, length);
    pthread_mutex_lock(&lock);
    off_t offset = lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    ssize_t done = real(fd, bytes, length);
    if (done > 0) record('w', inode(fd), offset, bytes, done);
    pthread_mutex_unlock(&lock);
    return done;
}

#define TRUNCATE(name) int name(int fd, off_t length) { \
    REAL(int, name, int, off_t); \
    pthread_mutex_lock(&lock); \
    int failed = real(fd, length); \
    if (!failed && is(fd, RECORDED)) record('t', inode(fd), length, NULL, 0); \
    pthread_mutex_unlock(&lock); \
    return failed; }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define SYNC(name) int name(int fd) { \
    REAL(int, name, int); \
    pthread_mutex_lock(&lock); /* a write during the sync is not covered by it */ \
    int failed = real(fd); \
    if (!failed && !getenv("POWERSIM_NO_SYNC")) { \
        if (is(fd, RECORDED)) record('s', inode(fd), 0, NULL, 0); \
        if (is(fd, FOLDER)) record('d', 0, 0, NULL, 0); \
    } \
    pthread_mutex_unlock(&lock); \
    return failed; }
SYNC(fsync)
SYNC(fdatasync)

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    pthread_mutex_lock(&lock);
    int failed = real(from, to);
    if (!failed && within(from)) {
        char names[1024];
        int length = snprintf(names, sizeof names, "%s%c%s", within(from), 0, within(to));
        record('m', 0, 0, names, length);
    }
    pthread_mutex_unlock(&lock);
    return failed;
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    pthread_mutex_lock(&lock);
    int failed = real(path);
    if (!failed && within(path)) record('u', 0, 0, within(path), strlen(within(path)));
    pthread_mutex_unlock(&lock);
    return failed;
}

int close(int fd) {
    REAL(int, close, int);
    if (fd >= 0 && fd < MAX_DESCRIPTORS) kinds[fd] = OTHER;
    return real(fd);
}
