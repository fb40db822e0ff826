/* spin [SECONDS]: burns one processor for ever or so much of its time, and ends well when sent SIGUSR1. */
#include "busy.h"

#include <signal.h>
#include <stdlib.h>

static volatile int stop;

static void on_signal(int signal) {
  (void)signal;
  stop = 1;
}

int main(int argc, char **argv) {
  signal(SIGUSR1, on_signal);
  necoperf_serve_requests(argc > 1 ? atof(argv[1]) : 0, &stop);
  return 0;
}
