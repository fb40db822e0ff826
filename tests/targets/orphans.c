/* orphans SECONDS: starts a process each so many seconds that has no parent left, and burns for 2 s. */
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
      necoperf_serve_requests(2, &never);
      _exit(0);
    }
    waitpid(child, NULL, 0);
    usleep(atof(argv[1]) * 1e6);
  }
}
