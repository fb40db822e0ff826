import assert from "node:assert/strict";
import { classifyPerfFailure, perfError } from "../../../daemon/perf/perf_failure.ts";

// What perf 6.1 prints, seen by running it.
const NO_PROCESS = "Couldn't create thread/CPU maps: No such process\n";
const NO_PROCESS_LATER =
  "Error:\nThe sys_perf_event_open() syscall returned with 3 (No such process) " +
  "for event (cpu-clock:ppp).\n/bin/dmesg | grep -i perf may provide additional information.\n";
const NO_LBR = "Error:\ncpu-clock:ppp: PMU Hardware or event type doesn't support branch stack " +
  "sampling.\n";
const NOT_PERMITTED = `Error:
Access to performance monitoring and observability operations is limited.
Consider adjusting /proc/sys/kernel/perf_event_paranoid setting to open
access to performance monitoring and observability operations for processes
without CAP_PERFMON, CAP_SYS_PTRACE or CAP_SYS_ADMIN Linux capability.
`;
const MLOCK = `Permission error mapping pages.
Consider increasing /proc/sys/kernel/perf_event_mlock_kb,
or try again with a smaller value of -m/--mmap_pages.
(current value: 128,0)
`;
const NO_WORKLOAD = "Failed to collect 'cpu-clock:ppp' for the 'sleep' workload: " +
  "No such file or directory\n";

Deno.test("perf's messages are told apart", () => {
  assert.equal(classifyPerfFailure(NO_PROCESS), "no-such-process");
  assert.equal(classifyPerfFailure(NO_PROCESS_LATER), "no-such-process");
  assert.equal(classifyPerfFailure(NO_LBR), "not-supported");
  assert.equal(classifyPerfFailure(NOT_PERMITTED), "not-permitted");
  assert.equal(classifyPerfFailure(MLOCK), "ring-buffer-too-large");
  assert.equal(classifyPerfFailure(NO_WORKLOAD), "other");
  assert.equal(classifyPerfFailure(""), "other");
});

Deno.test("errors carry perf's words and a status that fits", () => {
  assert.equal(perfError("perf record", NO_PROCESS).status, "NOT_FOUND");
  const notSupported = perfError("perf record", NO_LBR);
  assert.equal(notSupported.status, "FAILED_PRECONDITION");
  assert.match(notSupported.message, /cpu-clock:ppp: PMU Hardware .* branch stack sampling/);
  assert.equal(perfError("perf record", NOT_PERMITTED).status, "FAILED_PRECONDITION");
  const other = perfError("perf record", NO_WORKLOAD);
  assert.equal(other.status, "INTERNAL");
  assert.match(other.message, /^perf record failed: .*'sleep' workload/);
  assert.match(perfError("perf script", "").message, /it said nothing about why/);
});
