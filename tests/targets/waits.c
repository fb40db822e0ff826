/*
 * waits [chatty]: threads that each wait in a way of their own, in rounds of 100 ms, and count for
 * themselves how long. Each second it prints a line for each way:
 *
 *   MONOTONIC_SECONDS NAME NANOSECONDS
 *
 * which is how long threads were blocked in the function waits_NAME since the start: by the clock, less
 * what the kernel says (schedstat) they ran and waited for a processor meanwhile. `spin` is how long
 * they ran in waits_spin. Each round a thread is born that ends in it. With `chatty` two processes
 * besides wake each other up as fast as they can.
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000LL
#define ROUND (100 * MS)

static long long epoch;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int sockets[2], pipes[2];
/* A file of no directory, which each open of it can lock by itself. */
static char file[64];

enum way { SLEEP, LOCK, SOCKET, PIPE, FILE_LOCK, FUTEX, BORN, SPIN, WAYS };
static const char *const names[] = {"sleep", "lock", "socket", "pipe", "file", "futex", "born", "spin"};
static atomic_llong counted[WAYS];
/* Whether the thread that was born in this round has ended. */
static atomic_int is_over;

static long long now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static __attribute__((noinline)) void sleep_until(long long at) {
  struct timespec time = {at / 1000000000LL, at % 1000000000LL};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL)) {}
}

/* What the kernel says of the calling thread. */
static void read_schedstat(long long *run, long long *delay) {
  char text[128] = "";
  int fd = open("/proc/thread-self/schedstat", O_RDONLY);
  if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) exit(3);
  close(fd);
  if (sscanf(text, "%lld %lld", run, delay) != 2) exit(3);
}

/* By the clock, less what the thread ran and waited for a processor. */
static long long blocked_clock(void) {
  long long run, delay;
  read_schedstat(&run, &delay);
  return now(CLOCK_MONOTONIC) - run - delay;
}

static long long run_clock(void) {
  long long run, delay;
  read_schedstat(&run, &delay);
  return run;
}

#define COUNT_BY(clock, way, act)                      \
  do {                                                 \
    long long before = clock();                        \
    act;                                               \
    atomic_fetch_add(&counted[way], clock() - before); \
  } while (0)
#define COUNT(way, wait) COUNT_BY(blocked_clock, way, wait)

/* The nap between a thread's turns. */
static __attribute__((noinline)) void waits_rest(long long round, int milliseconds) {
  sleep_until(epoch + round * ROUND + milliseconds * MS);
}

static __attribute__((noinline)) void waits_sleep(long long until) { sleep_until(until); }

/*
 * Each way is a function around the one that calls the C library: perf does not see the caller of a
 * function that keeps no frame pointer, as the library's.
 */
static __attribute__((noinline)) void take_lock(void) { pthread_mutex_lock(&lock); }

static __attribute__((noinline)) void waits_lock(void) { take_lock(); }

static __attribute__((noinline)) void read_byte(int fd) {
  char byte;
  if (read(fd, &byte, 1) != 1) exit(3);
}

static __attribute__((noinline)) void waits_socket(void) { read_byte(sockets[0]); }

static __attribute__((noinline)) void waits_pipe(void) { read_byte(pipes[0]); }

static __attribute__((noinline)) void lock_file(int fd) {
  if (flock(fd, LOCK_EX)) exit(3);
}

static __attribute__((noinline)) void waits_file(int fd) { lock_file(fd); }

/* What pthread_join does, but with no function in between that keeps no frame pointer. */
static __attribute__((noinline)) void wait_for_futex(void) {
  while (!atomic_load(&is_over)) syscall(SYS_futex, &is_over, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static __attribute__((noinline)) void waits_futex(void) { wait_for_futex(); }

static __attribute__((noinline)) void waits_hold_lock(long long round) { waits_rest(round, 60); }

static __attribute__((noinline)) void waits_born(long long until) { sleep_until(until); }

static __attribute__((noinline)) void waits_spin(long long nanoseconds) {
  long long end = now(CLOCK_THREAD_CPUTIME_ID) + nanoseconds;
  while (now(CLOCK_THREAD_CPUTIME_ID) < end) {
    for (volatile int i = 0; i < 20000; i++) {}
  }
}

static void *sleeper(void *unused) {
  prctl(PR_SET_NAME, "sleeper");
  for (long long round = 0;; round++) {
    waits_rest(round, 20);
    COUNT(SLEEP, waits_sleep(epoch + round * ROUND + 90 * MS));
  }
  return unused;
}

static void *holder(void *unused) {
  prctl(PR_SET_NAME, "holder");
  int fd = open(file, O_RDWR);
  for (long long round = 0;; round++) {
    waits_rest(round, 0);
    pthread_mutex_lock(&lock);
    flock(fd, LOCK_EX);
    waits_hold_lock(round);
    flock(fd, LOCK_UN);
    pthread_mutex_unlock(&lock);
  }
  return unused;
}

static void *locker(void *unused) {
  prctl(PR_SET_NAME, "locker");
  for (long long round = 0;; round++) {
    waits_rest(round, 10);
    COUNT(LOCK, waits_lock());
    pthread_mutex_unlock(&lock);
  }
  return unused;
}

static void *file_locker(void *unused) {
  prctl(PR_SET_NAME, "file locker");
  int fd = open(file, O_RDWR);
  for (long long round = 0;; round++) {
    waits_rest(round, 30);
    COUNT(FILE_LOCK, waits_file(fd));
    flock(fd, LOCK_UN);
  }
  return unused;
}

static void *socket_reader(void *unused) {
  prctl(PR_SET_NAME, "socket reader");
  for (long long round = 0;; round++) {
    waits_rest(round, 10);
    COUNT(SOCKET, waits_socket());
  }
  return unused;
}

static void *pipe_reader(void *unused) {
  prctl(PR_SET_NAME, "pipe reader");
  for (long long round = 0;; round++) {
    waits_rest(round, 40);
    COUNT(PIPE, waits_pipe());
  }
  return unused;
}

static void *writer(void *unused) {
  prctl(PR_SET_NAME, "writer");
  for (long long round = 0;; round++) {
    waits_rest(round, 80);
    if (write(sockets[1], "", 1) != 1 || write(pipes[1], "", 1) != 1) exit(3);
  }
  return unused;
}

static void *spinner(void *unused) {
  prctl(PR_SET_NAME, "spinner");
  for (long long round = 0;; round++) {
    waits_rest(round, 0);
    COUNT_BY(run_clock, SPIN, waits_spin(20 * MS));
  }
  return unused;
}

static void *born(void *until) {
  prctl(PR_SET_NAME, "born");
  COUNT(BORN, waits_born(*(long long *)until));
  atomic_store(&is_over, 1);
  syscall(SYS_futex, &is_over, FUTEX_WAKE, 1, NULL, NULL, 0);
  return NULL;
}

/* Two processes that do nothing but wake each other up. */
static void chat(void) {
  int to[2], from[2];
  char byte = 0;
  if (pipe(to) || pipe(from)) exit(3);
  pid_t parent = getpid();
  for (int i = 0; i < 2; i++) {
    if (fork()) continue;
    prctl(PR_SET_NAME, "chatty");
    prctl(PR_SET_PDEATHSIG, 9);
    if (getppid() != parent) _exit(0);
    int in = i ? to[0] : from[0], out = i ? from[1] : to[1];
    if (i && write(out, &byte, 1) != 1) _exit(3);
    while (read(in, &byte, 1) == 1 && write(out, &byte, 1) == 1) {}
    _exit(0);
  }
}

int main(int argc, char **argv) {
  if (argc > 2 || (argc == 2 && strcmp(argv[1], "chatty"))) return 2;
  if (argc == 2) chat();
  int fd = memfd_create("waits", 0);
  snprintf(file, sizeof file, "/proc/self/fd/%d", fd);
  if (fd < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) || pipe(pipes)) return 3;
  epoch = now(CLOCK_MONOTONIC) + ROUND;
  void *(*const bodies[])(void *) = {
    sleeper, holder, locker, file_locker, socket_reader, pipe_reader, writer, spinner,
  };
  for (unsigned i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, bodies[i], NULL)) return 3;
  }
  for (long long round = 0;; round++) {
    waits_rest(round, 0);
    long long time = now(CLOCK_MONOTONIC);
    for (int way = 0; way < WAYS; way++) {
      printf("%lld.%09lld %s %lld\n", time / 1000000000LL, time % 1000000000LL, names[way],
             atomic_load(&counted[way]));
    }
    fflush(stdout);
    pthread_t thread;
    atomic_store(&is_over, 0);
    long long until = epoch + round * ROUND + 50 * MS;
    if (pthread_create(&thread, NULL, born, &until)) return 3;
    COUNT(FUTEX, waits_futex());
    pthread_join(thread, NULL);
  }
}
