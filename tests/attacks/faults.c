/* Makes the disk fail for one directory of one process: an LD_PRELOAD library for tests.
 *
 * ARCHIMAGE_FAULTS names a file that holds an error number and the kinds of call that fail with it, as "28 ws":
 * w writing and making directories; s fsync and fdatasync; c syncfs; n renaming and removing; o opening for writing.
 * Empty or absent: nothing fails.
 * ARCHIMAGE_FAULTS_BELOW is the directory; calls that concern anything else pass.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int armed(char kind) {
    char text[64] = "", kinds[16] = "";
    int number = 0;
    const char *control = getenv("ARCHIMAGE_FAULTS");
    int fd = control ? (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (fd < 0) return 0;
    long size = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (size <= 0 || sscanf(text, "%d %15s", &number, kinds) != 2) return 0;
    return strchr(kinds, kind) ? number : 0;
}

static int below(const char *path) {
    const char *directory = getenv("ARCHIMAGE_FAULTS_BELOW");
    return directory && path && strncmp(path, directory, strlen(directory)) == 0;
}

static int fails_path(char kind, const char *path) {
    int number = below(path) ? armed(kind) : 0;
    if (number) errno = number;
    return number;
}

static int fails_fd(char kind, int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long size = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    return fails_path(kind, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ON_FD(type, kind, name, parameters, ...) \
    type name parameters { return fails_fd(kind, fd) ? -1 : REAL(name)(__VA_ARGS__); }
#define ON_PATH(kind, name, parameters, ...) \
    int name parameters { return fails_path(kind, path) ? -1 : REAL(name)(__VA_ARGS__); }

ON_FD(int, 's', fsync, (int fd), fd)
ON_FD(int, 's', fdatasync, (int fd), fd)
ON_FD(int, 'c', syncfs, (int fd), fd)
ON_FD(ssize_t, 'w', write, (int fd, const void *data, size_t size), fd, data, size)
ON_FD(ssize_t, 'w', writev, (int fd, const struct iovec *pieces, int count), fd, pieces, count)
ON_FD(ssize_t, 'w', pwrite, (int fd, const void *data, size_t size, off_t at), fd, data, size, at)
ON_FD(ssize_t, 'w', pwrite64, (int fd, const void *data, size_t size, off64_t at), fd, data, size, at)
ON_FD(ssize_t, 'w', pwritev, (int fd, const struct iovec *pieces, int count, off_t at), fd, pieces, count, at)
ON_FD(ssize_t, 'w', pwritev64, (int fd, const struct iovec *pieces, int count, off64_t at), fd, pieces, count, at)
ON_FD(ssize_t, 'w', pwritev2, (int fd, const struct iovec *pieces, int count, off_t at, int how), fd, pieces, count, at, how)
ON_FD(ssize_t, 'w', pwritev64v2, (int fd, const struct iovec *pieces, int count, off64_t at, int how), fd, pieces, count, at, how)
ON_FD(int, 'w', ftruncate, (int fd, off_t size), fd, size)
ON_FD(int, 'w', ftruncate64, (int fd, off64_t size), fd, size)
ON_PATH('n', rename, (const char *path, const char *to), path, to)
ON_PATH('n', unlink, (const char *path), path)
ON_PATH('w', mkdir, (const char *path, mode_t mode), path, mode)
ON_PATH('n', rmdir, (const char *path), path)

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        int writes = flags & (O_CREAT | O_WRONLY | O_RDWR | O_TRUNC); \
        return writes && fails_path('o', path) ? -1 : REAL(name)(path, flags, mode); \
    }
OPENS(open)
OPENS(open64)
