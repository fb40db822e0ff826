/*
 * target THREADS COUNTER: each thread burns one processor, 8 to 24 calls deep, and counts the rounds
 * it has done in its own cache line of the file COUNTER, so that what slows it down can be measured.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FRAME __attribute__((noinline, noclone))
#define CACHE_LINE 64

static volatile unsigned long sink;

FRAME static unsigned long work(unsigned long rounds) {
  volatile unsigned long value = rounds;
  for (unsigned long i = 0; i < rounds; i++) value = value * 2862933555777941757UL + 3037000493UL;
  return value;
}

FRAME static unsigned long even(int depth);

FRAME static unsigned long odd(int depth) {
  unsigned long value = depth == 0 ? work(20000) : even(depth - 1);
  sink++; /* Work after the call, so that it can never become a jump. */
  return value;
}

FRAME static unsigned long even(int depth) {
  unsigned long value = depth == 0 ? work(20000) : odd(depth - 1);
  sink++;
  return value;
}

static void *burn(void *counter) {
  volatile unsigned long *rounds = counter;
  while (counter) {
    odd(8 + *rounds % 16);
    ++*rounds;
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int threads = atoi(argv[1]);
  int file = open(argv[2], O_RDWR | O_CREAT, 0600);
  if (file < 0 || ftruncate(file, threads * CACHE_LINE) < 0) return 1;
  char *counters =
      mmap(NULL, threads * CACHE_LINE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (counters == MAP_FAILED) return 1;
  pthread_t thread;
  for (int i = 0; i < threads; i++) {
    if (pthread_create(&thread, NULL, burn, counters + i * CACHE_LINE)) return 1;
  }
  pthread_join(thread, NULL);
  return 0;
}
