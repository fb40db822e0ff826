/* necoperf_serve_requests -> necoperf_handle_request -> necoperf_busy_loop, each a frame of its own. */
#include "busy.h"

#include <time.h>

#define FRAME __attribute__((noinline, noclone))

static volatile unsigned long sink;

FRAME void necoperf_busy_loop(unsigned long rounds) {
  /* In memory: gcc gives no frame to a function that needs no stack, and profiles lack its caller. */
  volatile unsigned long value = rounds;
  for (unsigned long i = 0; i < rounds; i++) value = value * 2862933555777941757UL + 3037000493UL;
  sink = value;
}

FRAME void necoperf_handle_request(unsigned long size) {
  necoperf_busy_loop(size * 1000);
  sink++; /* Work after the call, so that it can never become a jump. */
}

/* Not the time of day: on a busy machine, samples are there all the same when it is over. */
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

FRAME void necoperf_serve_requests(double seconds, volatile int *stop) {
  double end = seconds > 0 ? now() + seconds : 0;
  while (!*stop && (end == 0 || now() < end)) necoperf_handle_request(2000);
  sink++;
}
