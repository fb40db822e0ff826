/*
 * threads N [PAUSE]: has N threads, of which all but the first sleep; the first burns a tenth of a
 * processor. With a PAUSE it starts them one after the other, with so many seconds between.
 */
#include "busy.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *sleep_for_ever(void *unused) {
  for (;;) pause();
  return unused;
}

int main(int argc, char **argv) {
  if (argc != 2 && argc != 3) return 2;
  volatile int never = 0;
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 16384);
  for (int i = 1; i < atoi(argv[1]); i++) {
    pthread_t thread;
    if (pthread_create(&thread, &small, sleep_for_ever, NULL)) return 1;
    if (argc == 3) necoperf_serve_requests(atof(argv[2]), &never);
  }
  for (;;) {
    necoperf_serve_requests(0.02, &never);
    usleep(180000);
  }
}
