/*
 * ping_pong [MICROSECONDS [COUNTER]]: two threads that wake each other up through pipes, over and over;
 * the first works so many microseconds in each round. It counts its rounds in the file COUNTER.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int there[2], back[2];

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

__attribute__((noinline)) static void pass(int from, int to) {
  char byte;
  if (read(from, &byte, 1) != 1 || write(to, &byte, 1) != 1) exit(1);
}

static void *answer(void *unused) {
  for (;;) pass(there[0], back[1]);
  return unused;
}

static volatile uint64_t *open_counter(const char *path) {
  int file = open(path, O_RDWR | O_CREAT, 0644);
  if (file < 0 || ftruncate(file, sizeof(uint64_t))) exit(1);
  void *counter = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (counter == MAP_FAILED) exit(1);
  return counter;
}

int main(int argc, char **argv) {
  double work = argc > 1 ? atof(argv[1]) / 1e6 : 0;
  uint64_t nobody_counts = 0;
  volatile uint64_t *rounds = argc > 2 ? open_counter(argv[2]) : &nobody_counts;
  pthread_t thread;
  if (pipe(there) || pipe(back) || pthread_create(&thread, NULL, answer, NULL)) return 1;
  if (write(there[1], "", 1) != 1) return 1;
  for (;; ++*rounds) {
    pass(back[0], there[1]);
    for (double until = now() + work; now() < until;) {}
  }
}
