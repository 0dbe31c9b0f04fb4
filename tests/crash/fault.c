/* Preloaded into one role: its Nth durable call below a folder is its last, or fails.
 *
 * COTALLY_FAULT_DIR     calls on files below this folder count: pwrite, fsync, fdatasync, rename
 * COTALLY_FAULT         "N before", "N after" (SIGKILL), "N io", "N full" (EIO, ENOSPC), "N none"
 * COTALLY_FAULT_TRACE   a file that gets one byte for each call that counts
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long count;

static int below(const char *path) {
  const char *dir = getenv("COTALLY_FAULT_DIR");
  return dir && strncmp(path, dir, strlen(dir)) == 0;
}

static int open_below(int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long n = readlink(link, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = 0;
  /* the snapshot of a table, and SQLite's shared memory, are made again at every start */
  return below(path) && !strstr(path, "-shm") && !strstr(path, ".duckdb");
}

static void die(void) { syscall(SYS_kill, getpid(), SIGKILL); for (;;) pause(); }

/* The errno with which this call fails, or 0; *after is set where it is the process's last. */
static int strike(int *after) {
  long at = -1, now = atomic_fetch_add(&count, 1);
  char kind[16] = "";
  const char *told = getenv("COTALLY_FAULT"), *trace = getenv("COTALLY_FAULT_TRACE");
  *after = 0;
  if (trace) {
    int fd = open(trace, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (fd >= 0) { long done = syscall(SYS_write, fd, ".", 1); (void)done; close(fd); }
  }
  if (!told || sscanf(told, "%ld %15s", &at, kind) != 2 || now != at) return 0;
  if (!strcmp(kind, "before")) die();
  if (!strcmp(kind, "after")) *after = 1;
  return !strcmp(kind, "io") ? EIO : !strcmp(kind, "full") ? ENOSPC : 0;
}

#define DURABLE(counts, really)                                   \
  int after = 0, error = (counts) ? strike(&after) : 0;           \
  if (error) { errno = error; return -1; }                        \
  __typeof__(really) result = (really);                           \
  if (after) die();                                               \
  return result

int fsync(int fd) { DURABLE(open_below(fd), (int)syscall(SYS_fsync, fd)); }
int fdatasync(int fd) { DURABLE(open_below(fd), (int)syscall(SYS_fdatasync, fd)); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  DURABLE(open_below(fd), (ssize_t)syscall(SYS_pwrite64, fd, data, size, at));
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  DURABLE(open_below(fd), (ssize_t)syscall(SYS_pwrite64, fd, data, size, at));
}
int rename(const char *from, const char *to) {
  DURABLE(below(to), (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
