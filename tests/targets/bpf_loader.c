/* bpf_loader: burns one processor for ever, and loads a BPF program each 100 ms, which wants root. */
#include "busy.h"

#include <linux/bpf.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int load(void) {
  /* r0 = 0; exit */
  struct bpf_insn program[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
  union bpf_attr attr = {
      .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
      .insn_cnt = 2,
      .insns = (unsigned long)program,
      .license = (unsigned long)"GPL",
      .prog_name = "necoperf_probe",
  };
  return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
}

int main(void) {
  for (;;) {
    int program = load();
    if (program < 0) {
      perror("bpf");
      return 1;
    }
    close(program);
    volatile int stop = 0;
    necoperf_serve_requests(0.1, &stop);
  }
}
