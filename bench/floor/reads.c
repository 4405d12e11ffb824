/* The floor: the same system calls as one collection, and nothing else. Runs them all ROUNDS times with PAUSE
 * microseconds in between; prints CPU microseconds of one round.
 *   reads OPERATIONS ROUNDS PAUSE */
#include "operations.h"
#include <sys/resource.h>

static double cpu_us(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

int main(int argc, char **argv) {
  if (argc < 4 || !load_operations(argv[1])) return 1;
  int rounds = atoi(argv[2]), pause = atoi(argv[3]);
  double before = cpu_us();
  for (int round = 0; round < rounds; round++) {
    run_operations();
    if (pause) usleep(pause);
  }
  printf("%.1f\n", (cpu_us() - before) / rounds);
}
