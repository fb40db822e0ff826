/* idle: sleeps for ever, never on a processor while it is recorded. */
#include <unistd.h>

int main(void) {
  for (;;) pause();
}
