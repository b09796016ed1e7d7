/* Preloaded into the server by the power-cut test: notes what is on disk for good. After each fsync or fdatasync of a file,
 * its inode and the size that it had before the call; after each of a directory, the entries that it had then. What is removed or
 * replaced is kept under its inode beside the data: until its directory is synced, a power cut brings it back. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static void note(const char *text, size_t length) {
    const char *path = getenv("ASOF_TEST_SYNCED");
    int log = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (log >= 0) {
        if (write(log, text, length) < 0) abort();
        close(log);
    }
}

static size_t listing(int fd, unsigned long inode, char *text, size_t room) {
    size_t length = (size_t)snprintf(text, room, "dir %lu\n", inode);
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = again >= 0 ? fdopendir(again) : NULL;
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        length += (size_t)snprintf(text + length, room - length, "entry %lu %lu %s\n", inode, (unsigned long)entry->d_ino, entry->d_name);
        if (length >= room) abort();
    }
    if (folder) closedir(folder);
    return length;
}

static int synced(int fd, const char *name) {
    static char text[1 << 20];
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct stat before;
    int known = fstat(fd, &before) == 0, result;
    size_t length = 0;
    pthread_mutex_lock(&one_at_a_time);
    if (known && S_ISDIR(before.st_mode)) length = listing(fd, (unsigned long)before.st_ino, text, sizeof text);
    else if (known) length = (size_t)snprintf(text, sizeof text, "file %lu %lld\n", (unsigned long)before.st_ino, (long long)before.st_size);
    result = real(fd);
    if (result == 0) note(text, length);
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

static void keep(const char *path) {
    const char *kept = getenv("ASOF_TEST_KEPT");
    struct stat status;
    if (kept && lstat(path, &status) == 0 && S_ISREG(status.st_mode)) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%lu", kept, (unsigned long)status.st_ino);
        if (link(path, name) != 0 && errno != EEXIST) abort();
    }
}

int unlink(const char *path) {
    keep(path);
    return ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path);
}

int rename(const char *from, const char *to) {
    keep(to);
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }
