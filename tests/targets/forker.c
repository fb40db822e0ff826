/* forker: does nothing itself; each of its children burns 100 ms of processor time and ends, one after another. */
#include "busy.h"

#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  volatile int never = 0;
  for (;;) {
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
      necoperf_serve_requests(0.1, &never);
      _exit(0);
    }
    waitpid(child, NULL, 0);
  }
}
