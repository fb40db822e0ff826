import assert from "node:assert/strict";
import {
  classifyPerfFailure,
  hasDroppedEvent,
  perfError,
  type PerfFailure,
} from "../../../daemon/perf/perf_failure.ts";

/**
 * What perf prints, seen by running it but where a comment says so, and what a caller reads of it.
 */
interface Case {
  name: string;
  stderr: string;
  failure: PerfFailure;
  /** After the daemon's own words. */
  reason: string;
}

const NO_PERMISSION = `Access to performance monitoring and observability operations is limited.
Consider adjusting /proc/sys/kernel/perf_event_paranoid setting to open
access to performance monitoring and observability operations for processes
without CAP_PERFMON, CAP_SYS_PTRACE or CAP_SYS_ADMIN Linux capability.
`;
const TOO_MANY_EVENTS = `Too many events are opened.
Probably the maximum number of open file descriptors has been reached.
Hint: Try again after reducing the number of events.
Hint: Try increasing the limit with 'ulimit -n <limit>'
`;
const TOO_MANY_REASON = "Too many events are opened. Probably the maximum number of open file " +
  "descriptors has been reached. Hint: Try again after reducing the number of events.";
/** What 7.2 writes around the reason. */
const dropped = (event: string, pmu: string, reason: string) =>
  `Error:\nFailure to open event '${event}' on PMU '${pmu}' which will be removed.\n${reason}`;
const ALL_DROPPED = "Error:\nFailure to open any events for recording.\n";
/** On a node with kernel.kptr_restrict=1, by an unprivileged perf 6.1. */
const KPTR_RESTRICTED = `WARNING: Kernel address maps (/proc/{kallsyms,modules}) are restricted,
check /proc/sys/kernel/kptr_restrict and /proc/sys/kernel/perf_event_paranoid.

Samples in kernel functions may not be resolved if a suitable vmlinux
file is not found in the buildid cache or in the vmlinux path.

Samples in kernel modules won't be resolved at all.

If some relocation was applied (e.g. kexec) symbols may be misresolved
even with a suitable vmlinux or kallsyms file.

`;
const NO_SAMPLING = "cycles: PMU Hardware doesn't support sampling/overflow-interrupts. Try " +
  "'perf stat'";

const CASES: Case[] = [
  {
    // As 6.1 writes it of an option that no perf has.
    name: "4.2 and older: a perf without --switch-events",
    stderr: "  Error: unknown option `switch-events'\n\n Usage: perf record [<options>]\n",
    failure: "too-old",
    reason: "perf record has no option --switch-events",
  },
  {
    // From tools/perf/builtin-record.c: there is no such kernel here.
    name: "a kernel before 4.3",
    stderr: "Error:\nkernel does not support recording context switch events\n",
    failure: "not-supported",
    reason: "kernel does not support recording context switch events",
  },
  {
    name: "6.1, 6.12, 7.2: no such process",
    stderr: "Couldn't create thread/CPU maps: No such process\n",
    failure: "no-such-process",
    reason: "",
  },
  {
    name: "6.1, 6.12: a process that has gone meanwhile",
    stderr:
      "Error:\nThe sys_perf_event_open() syscall returned with 3 (No such process) for event " +
      "(cpu-clock:ppp).\n/bin/dmesg | grep -i perf may provide additional information.\n",
    failure: "no-such-process",
    reason: "",
  },
  {
    name: "7.2: a process that has gone meanwhile (by perf's source)",
    stderr: dropped(
      "task-clock:ppp",
      "software",
      "The sys_perf_event_open() syscall failed for " +
        "event (task-clock:ppp): No such process\n",
    ) + ALL_DROPPED,
    failure: "no-such-process",
    reason: "",
  },
  {
    name: "6.1: no LBR",
    stderr: "Error:\ncpu-clock:ppp: PMU Hardware or event type doesn't support branch stack " +
      "sampling.\n",
    failure: "not-supported",
    reason: "cpu-clock:ppp: PMU Hardware or event type doesn't support branch stack sampling.",
  },
  {
    name: "d02b: 7.2: no LBR",
    stderr: dropped(
      "task-clock:pppH",
      "software",
      "task-clock:pppH: PMU Hardware or event type " +
        "doesn't support branch stack sampling.\n",
    ) + ALL_DROPPED,
    failure: "not-supported",
    reason: "task-clock:pppH: PMU Hardware or event type doesn't support branch stack sampling.",
  },
  {
    name: "6.1, 6.12: an event that the node lacks",
    stderr: "Error:\nThe cache-misses event is not supported.\n",
    failure: "not-supported",
    reason: "The cache-misses event is not supported.",
  },
  {
    name: "7.2: events that the node lacks",
    stderr: dropped("instructions", "cpu", "The instructions event is not supported.\n") +
      dropped("cache-misses", "cpu", "The cache-misses event is not supported.\n") + ALL_DROPPED,
    failure: "not-supported",
    reason: "The instructions event is not supported. The cache-misses event is not supported.",
  },
  {
    name: "d02a: 6.1, 6.12: no interrupts (by others' reports)",
    stderr: `Error:\n${NO_SAMPLING}\n`,
    failure: "not-supported",
    reason: NO_SAMPLING,
  },
  {
    name: "d02a: 7.2: no interrupts (by others' reports)",
    stderr: dropped("cycles", "cpu", `${NO_SAMPLING}\n`) + ALL_DROPPED,
    failure: "not-supported",
    reason: NO_SAMPLING,
  },
  {
    name: "d02e: kptr_restrict's warning before the reason",
    stderr: `${KPTR_RESTRICTED}Error:\n${NO_SAMPLING}\n`,
    failure: "not-supported",
    reason: NO_SAMPLING,
  },
  {
    name: "d02e: kptr_restrict's warning before a reason that nobody knows",
    stderr: `${KPTR_RESTRICTED}Error:\nIt is Sunday.\n`,
    failure: "other",
    reason: "It is Sunday.",
  },
  {
    name: "a warning of tomorrow before the reason",
    stderr: `WARNING: the moon is full,\nmind your steps\n\nError:\n${NO_SAMPLING}\n`,
    failure: "not-supported",
    reason: NO_SAMPLING,
  },
  {
    name: "the reason without an Error: behind a warning",
    stderr: "WARNING: Ignored open failure for pid 7\nFailed to open /proc/schedstat\n" +
      "The PMU counters are busy/taken by another profiler.\n",
    failure: "not-supported",
    reason: "The PMU counters are busy/taken by another profiler.",
  },
  {
    name: "6.1: not permitted",
    stderr: `Error:\n${NO_PERMISSION}`,
    failure: "not-permitted",
    reason: "Access to performance monitoring and observability operations is limited.",
  },
  {
    name: "7.2: not permitted",
    stderr: dropped("task-clock:uppp", "software", NO_PERMISSION) + ALL_DROPPED,
    failure: "not-permitted",
    reason: "Access to performance monitoring and observability operations is limited.",
  },
  {
    name: "6.1, 6.12, 7.2: not permitted, of an event (by perf's source)",
    stderr: `Error:\nNo permission to enable cycles event.\n\n${NO_PERMISSION}`,
    failure: "not-permitted",
    reason: "No permission to enable cycles event.",
  },
  {
    name: "6.1, 6.12: too many files",
    stderr: `Error:\n${TOO_MANY_EVENTS}`,
    failure: "too-many-events",
    reason: TOO_MANY_REASON,
  },
  {
    name: "7.2: too many files",
    stderr: dropped("task-clock:ppp", "software", TOO_MANY_EVENTS) + ALL_DROPPED,
    failure: "too-many-events",
    reason: TOO_MANY_REASON,
  },
  {
    name: "6.1, 6.12, 7.2: ring buffers",
    stderr: "Permission error mapping pages.\n" +
      "Consider increasing /proc/sys/kernel/perf_event_mlock_kb,\n" +
      "or try again with a smaller value of -m/--mmap_pages.\n(current value: 128,0)\n",
    failure: "ring-buffer-too-large",
    reason: "Permission error mapping pages.",
  },
  {
    name: "6.1: the name of no event",
    stderr:
      "event syntax error: 'sched:nosuch'\n                     \\___ unknown tracepoint\n\n" +
      "Error:\tFile /sys/kernel/tracing/events/sched/nosuch not found.\n" +
      "Hint:\tPerhaps this kernel misses some CONFIG_ setting to enable this feature?.\n\n" +
      "Run 'perf list' for a list of valid events\n\n Usage: perf record [<options>] [<command>]\n",
    failure: "not-supported",
    reason: "event syntax error: 'sched:nosuch' \\___ unknown tracepoint " +
      "File /sys/kernel/tracing/events/sched/nosuch not found.",
  },
  {
    name: "6.1, 6.12: what the kernel does not take (by perf's source)",
    stderr: "Error:\nThe sys_perf_event_open() syscall returned with 22 (Invalid argument) for " +
      'event (cycles).\n"dmesg | grep -i perf" may provide additional information.\n',
    failure: "not-supported",
    reason:
      "The sys_perf_event_open() syscall returned with 22 (Invalid argument) for event (cycles).",
  },
  {
    name: "7.2: what the kernel does not take (by perf's source)",
    stderr: dropped(
      "cycles",
      "cpu",
      "The sys_perf_event_open() syscall failed for event (cycles): " +
        "Invalid argument\n",
    ) + ALL_DROPPED,
    failure: "not-supported",
    reason: "The sys_perf_event_open() syscall failed for event (cycles): Invalid argument",
  },
  {
    name: "a workload that is not there",
    stderr: "Failed to collect 'cpu-clock:ppp' for the 'sleep' workload: " +
      "No such file or directory\n",
    failure: "other",
    reason: "Failed to collect 'cpu-clock:ppp' for the 'sleep' workload: No such file or directory",
  },
  { name: "nothing", stderr: "", failure: "other", reason: "it said nothing about why" },
];

for (const { name, stderr, failure, reason } of CASES) {
  Deno.test(`classifyPerfFailure, perfError: ${name}`, () => {
    assert.equal(classifyPerfFailure(stderr), failure);
    const { status, message } = perfError("perf record", stderr);
    const expected: Record<PerfFailure, [string, string]> = {
      "no-such-process": ["NOT_FOUND", "the container ended before perf could attach to it"],
      "not-permitted": ["FAILED_PRECONDITION", "perf may not record on this node: "],
      "too-many-events": ["FAILED_PRECONDITION", "the container has too many threads for perf"],
      "not-supported": ["FAILED_PRECONDITION", "this node cannot record that: "],
      "too-old": ["FAILED_PRECONDITION", "this node's perf is too old to record that: "],
      "ring-buffer-too-large": ["INTERNAL", "perf record failed: "],
      other: ["INTERNAL", "perf record failed: "],
    };
    const [code, words] = expected[failure];
    assert.equal(status, code);
    assert.ok(message.startsWith(words), message);
    if (reason === "") return;
    const said = message.slice(message.indexOf(reason));
    assert.ok(said.startsWith(reason), message);
    assert.doesNotMatch(message, /WARNING|Error:|which will be removed|any events for recording/);
    if (failure === "not-supported") assert.ok(message.startsWith(words + reason), message);
  });
}

Deno.test("hasDroppedEvent: only when one is left out", () => {
  assert.ok(
    hasDroppedEvent(dropped("cache-misses", "cpu", "The cache-misses event is not supported.\n")),
  );
  assert.ok(!hasDroppedEvent("Failed to open /proc/schedstat\n"));
  assert.ok(!hasDroppedEvent(KPTR_RESTRICTED));
});
