/* long_name: burns in a recursion of ten calls of a function whose name is 512 KB long. */
#include "busy.h"

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define NAME_0 necoperf_a_very_long_name_______
#define NAME_1 CAT(NAME_0, NAME_0)
#define NAME_2 CAT(NAME_1, NAME_1)
#define NAME_3 CAT(NAME_2, NAME_2)
#define NAME_4 CAT(NAME_3, NAME_3)
#define NAME_5 CAT(NAME_4, NAME_4)
#define NAME_6 CAT(NAME_5, NAME_5)
#define NAME_7 CAT(NAME_6, NAME_6)
#define NAME_8 CAT(NAME_7, NAME_7)
#define NAME_9 CAT(NAME_8, NAME_8)
#define NAME_10 CAT(NAME_9, NAME_9)
#define NAME_11 CAT(NAME_10, NAME_10)
#define NAME_12 CAT(NAME_11, NAME_11)
#define NAME_13 CAT(NAME_12, NAME_12)
#define NAME_14 CAT(NAME_13, NAME_13)

static volatile int never, sink;

__attribute__((noinline, noclone)) void NAME_14(int depth) {
  if (depth > 0) {
    NAME_14(depth - 1);
  } else {
    necoperf_serve_requests(0, &never);
  }
  sink++; /* Work after the call, so that it can never become a jump. */
}

int main(void) {
  NAME_14(9);
  return 0;
}
