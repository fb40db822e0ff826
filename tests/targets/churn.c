/* churn DIRECTORY: starts a program of yet another, long name each time, as fast as it can. */
#include "busy.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  if (strcmp(argv[1], "child") == 0) return 0;
  char path[512], name[200], own[512];
  volatile int never = 0;
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = 0;
  snprintf(own, sizeof own, "%s/own", argv[1]);
  for (unsigned long i = 0;; i++) {
    snprintf(path, sizeof path, "%s/%s%lu", argv[1], name, i);
    if (link(own, path)) return 1;
    pid_t child = vfork();
    if (child < 0) return 1;
    if (child == 0) {
      execl(path, "churn", "child", NULL);
      _exit(1);
    }
    waitpid(child, NULL, 0);
    unlink(path);
    /* What lives as short as the children is hardly ever met by a sample. */
    necoperf_serve_requests(0.001, &never);
  }
}
