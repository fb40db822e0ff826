/*
 * mappings DIRECTORY PROCESSES MAPPINGS: starts so many processes, each with so many executable
 * mappings of a file in DIRECTORY whose path is about as long as one can be. They then spin at a
 * tenth of a processor together, so that there is something to sample.
 */
#include "busy.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#define PAGE 4096
#define PATH_LENGTH 3800

static int open_deep_file(const char *directory) {
  char name[251];
  memset(name, 'd', 250);
  name[250] = 0;
  if (chdir(directory)) return -1;
  for (size_t length = strlen(directory); length + 251 < PATH_LENGTH; length += 251) {
    mkdir(name, 0755);
    if (chdir(name)) return -1;
  }
  int file = open("file", O_RDWR | O_CREAT, 0755);
  return file < 0 || ftruncate(file, PAGE) ? -1 : file;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int processes = atoi(argv[2]), mappings = atoi(argv[3]);
  int file = open_deep_file(argv[1]);
  if (file < 0) return 1;
  for (int i = 0; i < mappings; i++) {
    if (mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) == MAP_FAILED) return 1;
  }
  for (int i = 1; i < processes; i++) {
    pid_t child = fork();
    if (child < 0) return 1;
    if (child > 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  volatile int never = 0;
  for (;;) {
    necoperf_serve_requests(0.02, &never);
    usleep(180000);
  }
}
