/*
 * script_text BYTES: prints as many whole samples, the way perf script does, as make up BYTES; the
 * same ones each time. The stacks are many, of many depths, and the common ones come again and
 * again, so that the text shrinks about as well as that of a real program.
 */
#include <stdio.h>
#include <stdlib.h>

#define STACKS 300
#define MAX_DEPTH 40
#define FUNCTIONS 3000

static unsigned long state = 1;

/* Below `bound`. */
static unsigned long pick(unsigned long bound) {
  state = state * 6364136223846793005UL + 1442695040888963407UL;
  return (state >> 33) % bound;
}

/* Below `bound`, mostly far below. */
static unsigned long pick_low(unsigned long bound) {
  return pick(pick(pick(pick(pick(bound) + 1) + 1) + 1) + 1);
}

static char *format_stack(void) {
  static const char *objects[] = {"/usr/bin/server", "/usr/lib/x86_64-linux-gnu/libc.so.6",
                                  "/usr/lib/x86_64-linux-gnu/libssl.so.3", "[kernel.kallsyms]"};
  char *text = malloc(MAX_DEPTH * 128), *end = text;
  for (unsigned long depth = 2 + pick(MAX_DEPTH - 2); depth > 0; depth--) {
    unsigned long function = pick_low(FUNCTIONS), offset = pick(0x400);
    end += sprintf(end, "\t%16lx handle_%lx_%s+0x%lx (%s)\n",
                   0x55d0c0de0000UL + function * 0x400 + offset, function * 2654435761UL,
                   function % 3 ? "request" : "response", offset, objects[function % 4]);
  }
  return text;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  long bytes = atol(argv[1]);
  char *stacks[STACKS];
  for (int i = 0; i < STACKS; i++) stacks[i] = format_stack();
  for (unsigned long time = 0; bytes > 0;) {
    time += 1000 + pick(9000);
    int written = printf("server %6lu/%-6lu %6lu.%06lu: %10lu cycles: \n%s\n", 4711UL,
                         4711 + pick_low(64), time / 1000000, time % 1000000,
                         1000000 + pick(1000000), stacks[pick_low(STACKS)]);
    if (written < 0) return 1;
    bytes -= written;
  }
  return fflush(stdout) != 0;
}
