/* System calls for files, as a recording lists them, one a line:
 *   r PATH  read again through a kept descriptor      o PATH  open, read, close
 *   k PATH  the same, with one read                   f PATH  stat
 *   l PATH  list a folder                             s PATH  statfs */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

struct operation { char kind; char *path; int fd; };
static struct operation operations[100000];
static int operation_count;

static int load_operations(const char *path) {
  static char line[4096];
  FILE *file = fopen(path, "r");
  if (!file) return perror(path), 0;
  while (operation_count < 100000 && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    struct operation *o = &operations[operation_count++];
    *o = (struct operation){line[0], strdup(line + 2), -1};
    if (o->kind == 'r' || o->kind == 'k') o->fd = open(o->path, O_RDONLY);
  }
  fclose(file);
  return 1;
}

static void drain(int fd, char *buffer, size_t size) {
  off_t at = 0;
  for (ssize_t got; (got = pread(fd, buffer, size, at)) > 0;) at += got;
}

static void run_operations(void) {
  static char buffer[1 << 16];
  for (int i = 0; i < operation_count; i++) {
    struct operation *o = &operations[i];
    if (o->kind == 'r') drain(o->fd, buffer, sizeof buffer);
    else if (o->kind == 'k') {
      if (pread(o->fd, buffer, sizeof buffer, 0) < 0) continue;
    } else if (o->kind == 'f') {
      struct stat s;
      stat(o->path, &s);
    } else if (o->kind == 'o') {
      int fd = open(o->path, O_RDONLY);
      if (fd >= 0) drain(fd, buffer, sizeof buffer), close(fd);
    } else if (o->kind == 'l') {
      DIR *folder = opendir(o->path);
      if (folder) { while (readdir(folder)) {} closedir(folder); }
    } else {
      struct statfs s;
      statfs(o->path, &s);
    }
  }
}
