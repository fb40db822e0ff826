/*
 * orphans SECONDS: starts a process each so many seconds that has no parent left, lives for 2 s and
 * burns a tenth of a processor.
 */
#include "busy.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  volatile int never = 0;
  for (;;) {
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
      pid_t orphan = fork();
      if (orphan != 0) _exit(orphan < 0);
      for (int i = 0; i < 10; i++) {
        necoperf_serve_requests(0.02, &never);
        usleep(180000);
      }
      _exit(0);
    }
    waitpid(child, NULL, 0);
    usleep(atof(argv[1]) * 1e6);
  }
}
