/* The floor: the same system calls as one collection, and nothing else. Reads operations from a file, one a line:
 *   r PATH  read again through a kept descriptor      o PATH  open, read, close
 *   k PATH  the same, with one read                   f PATH  stat
 *   l PATH  list a folder                             s PATH  statfs
 * Runs them all ROUNDS times with PAUSE microseconds in between; prints CPU microseconds of one round.
 *   reads OPERATIONS ROUNDS PAUSE */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

struct operation { char kind; char *path; int fd; };

static double cpu_us(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void drain(int fd, char *buffer, size_t size) {
  off_t at = 0;
  for (ssize_t got; (got = pread(fd, buffer, size, at)) > 0;) at += got;
}

int main(int argc, char **argv) {
  static struct operation operations[100000];
  static char buffer[1 << 16], line[4096];
  int count = 0;
  if (argc < 4) return 2;
  FILE *file = fopen(argv[1], "r");
  if (!file) return perror(argv[1]), 1;
  while (count < 100000 && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    operations[count] = (struct operation){line[0], strdup(line + 2), -1};
    if (line[0] == 'r' || line[0] == 'k') operations[count].fd = open(line + 2, O_RDONLY);
    count++;
  }
  int rounds = atoi(argv[2]), pause = atoi(argv[3]);
  double before = cpu_us();
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < count; i++) {
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
    if (pause) usleep(pause);
  }
  printf("%.1f\n", (cpu_us() - before) / rounds);
}
