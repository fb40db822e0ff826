/* jit: burns one processor for ever in code that is in memory without a file, as of a JIT compiler. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* Calls nothing and knows no address, so that a copy works. */
__attribute__((noinline)) static void burn(volatile unsigned long *counter) {
  for (;;) ++*counter;
}

int main(void) {
  size_t length = 4096;
  void *code = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) return perror("mmap"), 1;
  memcpy(code, (const void *)burn, 256);
  if (mprotect(code, length, PROT_READ | PROT_EXEC) != 0) return perror("mprotect"), 1;
  volatile unsigned long counter = 0;
  ((void (*)(volatile unsigned long *))code)(&counter);
}
