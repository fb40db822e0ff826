/* names: threads with names that look like other fields of perf script's text, each busy for a while. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[] = {
  "a b (c) [1] 12/", "web 1:2", "x;y", "tab\there", "nl\nname", "1/1 1.5: 5 c", "PERF_RECORD_x", "12 34",
};

static volatile unsigned long sink;

__attribute__((noinline, noclone)) static void burn(void) {
  for (unsigned long i = 0; i < 2000000; i++) sink = sink * 2862933555777941757UL + i;
}

static void *work(void *name) {
  prctl(PR_SET_NAME, name);
  for (int round = 0; round < 8; round++) {
    char *pages = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int page = 0; page < 16; page++) pages[page * 4096] = 1;
    munmap(pages, 16 * 4096);
    burn();
    usleep(100);
  }
  return NULL;
}

int main(void) {
  enum { COUNT = sizeof names / sizeof *names };
  pthread_t threads[COUNT];
  for (int i = 0; i < COUNT; i++)
    if (pthread_create(&threads[i], NULL, work, (void *)names[i])) abort();
  for (int i = 0; i < COUNT; i++) pthread_join(threads[i], NULL);
}
