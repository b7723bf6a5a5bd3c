/*
 * Keeps an image of the data that a process has flushed, so that a test can remove unflushed data.
 *
 * The process writes and reads its files as usual. The image has the content of each file at its last flush, and of
 * a new file nothing until its folder was also flushed. After a SIGKILL the test replaces the files with the image.
 *
 *   FLUSHES_FOLDER   the files under this folder are watched
 *   FLUSHES_IMAGE    the folder of the image; a file whose entry in its folder was not flushed has the suffix ".new"
 *   FLUSHES_IGNORED  set: flushes do nothing and succeed
 *   FLUSHES_FAIL     while this file exists, flushes do nothing and fail with EIO
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define WATCHED 64

/* The part of a file written since its last flush, as one range: bytes between two writes are the same in file and image. */
struct dirt {
    dev_t device;
    ino_t inode;
    off_t from, until;
};

static struct dirt table[WATCHED];
static int known;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *folder, *image, *failing;
static int is_ignored;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void begin(void)
{
    real_write = dlsym(RTLD_NEXT, "write");
    real_writev = dlsym(RTLD_NEXT, "writev");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    folder = getenv("FLUSHES_FOLDER");
    image = getenv("FLUSHES_IMAGE");
    failing = getenv("FLUSHES_FAIL");
    is_ignored = getenv("FLUSHES_IGNORED") != NULL;
}

static void die(const char *what)
{
    perror(what);
    abort();
}

/* Writes the path of a watched file or folder; returns 0 for anything else. */
static int path_of(int fd, struct stat *found, char path[PATH_MAX])
{
    char link[64];
    ssize_t length;
    if (!folder || !image || fstat(fd, found) != 0)
        return 0;
    if (!S_ISREG(found->st_mode) && !S_ISDIR(found->st_mode))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

static struct dirt *dirt_of(const struct stat *found)
{
    int at;
    for (at = 0; at < known; at++)
        if (table[at].device == found->st_dev && table[at].inode == found->st_ino)
            return &table[at];
    if (known == WATCHED)
        die("too many files to watch");
    table[known] = (struct dirt){found->st_dev, found->st_ino, 0, 0};
    return &table[known++];
}

static void soil(const struct stat *found, off_t from, off_t until)
{
    struct dirt *dirt = dirt_of(found);
    if (from >= until)
        return;
    if (dirt->from == dirt->until) {
        dirt->from = from;
        dirt->until = until;
        return;
    }
    if (from < dirt->from)
        dirt->from = from;
    if (until > dirt->until)
        dirt->until = until;
}

static void written(int fd, off_t at, ssize_t count)
{
    struct stat found;
    char path[PATH_MAX];
    int before = errno;
    if (count > 0 && path_of(fd, &found, path)) {
        pthread_mutex_lock(&lock);
        soil(&found, at, at + count);
        pthread_mutex_unlock(&lock);
    }
    errno = before;
}

/* The image of a file; a new one has another name until the folder is flushed. */
static void name_image(const char *path, char durable[PATH_MAX], char fresh[PATH_MAX])
{
    const char *name = strrchr(path, '/') + 1;
    if (snprintf(durable, PATH_MAX, "%s/%s", image, name) >= PATH_MAX - 8)
        die("a path is too long");
    snprintf(fresh, PATH_MAX, "%.*s.new", PATH_MAX - 8, durable);
}

static void copy(int from, int to, off_t at, off_t until)
{
    /* Guarded by the lock. */
    static char bytes[1 << 16];
    while (at < until) {
        size_t wanted = until - at > (off_t)sizeof bytes ? sizeof bytes : (size_t)(until - at);
        ssize_t count = pread(from, bytes, wanted, at);
        if (count == 0)
            return;
        if (count < 0 || real_pwrite(to, bytes, count, at) != count)
            die("copy what was flushed");
        at += count;
    }
}

static void keep_file(int fd, const struct stat *found, const char *path)
{
    char durable[PATH_MAX], fresh[PATH_MAX];
    struct dirt *dirt = dirt_of(found);
    int target;
    name_image(path, durable, fresh);
    target = open(durable, O_WRONLY | O_CLOEXEC);
    if (target < 0)
        target = open(fresh, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (target < 0)
        die("open the image");
    /* Read through the descriptor itself, since closing another one would drop the locks of the process. */
    copy(fd, target, dirt->from, dirt->until);
    if (real_ftruncate(target, found->st_size) != 0)
        die("cut the image");
    close(target);
    dirt->from = dirt->until = 0;
}

/* A flushed folder has the entries of its new files. */
static void keep_entries(void)
{
    DIR *entries = opendir(image);
    struct dirent *entry;
    if (!entries)
        die("open the image's folder");
    while ((entry = readdir(entries))) {
        char fresh[PATH_MAX], durable[PATH_MAX];
        size_t length = strlen(entry->d_name);
        if (length < 5 || strcmp(entry->d_name + length - 4, ".new") != 0)
            continue;
        snprintf(fresh, sizeof fresh, "%s/%s", image, entry->d_name);
        snprintf(durable, sizeof durable, "%s/%.*s", image, (int)length - 4, entry->d_name);
        if (rename(fresh, durable) != 0)
            die("keep an entry");
    }
    closedir(entries);
}

static int flush(int fd, int (*real)(int))
{
    struct stat found;
    char path[PATH_MAX];
    if (!path_of(fd, &found, path))
        return real(fd);
    if (failing && access(failing, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    if (is_ignored)
        return 0;
    pthread_mutex_lock(&lock);
    if (S_ISDIR(found.st_mode))
        keep_entries();
    else
        keep_file(fd, &found, path);
    pthread_mutex_unlock(&lock);
    return 0;
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    ssize_t done = real_write(fd, bytes, count);
    if (done > 0)
        written(fd, lseek(fd, 0, SEEK_CUR) - done, done);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    ssize_t done = real_writev(fd, parts, count);
    if (done > 0)
        written(fd, lseek(fd, 0, SEEK_CUR) - done, done);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at)
{
    ssize_t done = real_pwrite(fd, bytes, count, at);
    written(fd, at, done);
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    return pwrite64(fd, bytes, count, at);
}

int ftruncate64(int fd, off_t length)
{
    struct stat found;
    int done;
    if (fstat(fd, &found) != 0)
        return -1;
    done = real_ftruncate(fd, length);
    /* A part that is truncated and extended again later is zero. */
    if (done == 0)
        written(fd, length, found.st_size - length);
    return done;
}

int ftruncate(int fd, off_t length)
{
    return ftruncate64(fd, length);
}

int fsync(int fd)
{
    return flush(fd, real_fsync);
}

int fdatasync(int fd)
{
    return flush(fd, real_fdatasync);
}
