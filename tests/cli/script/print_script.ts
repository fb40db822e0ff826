/**
 * Prints samples as perf script does, by `cli/script/grammar.md`: with any of its fields, and with
 * what it prints between and besides samples.
 */
import type { Random } from "../../fuzz/random.ts";

/** A sample to print; `frames` are the leaf first. */
export interface PrintedSample {
  command: string;
  pid: number;
  tid: number;
  cpu: number;
  timeSeconds: number;
  period: number;
  event: string;
  frames: { address: bigint; symbol: string; offset: number; dso: string }[];
}

/** What is printed, and how: what `--fields`, other options and releases of perf decide. */
export interface Layout {
  hasCallGraph: boolean;
  comm: boolean;
  pid: boolean;
  tid: boolean;
  cpu: boolean;
  misc: boolean;
  tod: boolean;
  time: "no" | "microseconds" | "nanoseconds";
  period: boolean;
  event: boolean;
  machine: boolean;
  /** Of perf before 6.13, 5; else 7. */
  idWidth: number;
  srcline: boolean;
  /** Fields that are printed behind the event and behind the stack. */
  addr: boolean;
  weight: boolean;
  cgroup: boolean;
  uregs: boolean;
  brstack: boolean;
  insn: boolean;
  physAddr: boolean;
  pageSize: boolean;
  records: boolean;
  header: boolean;
}

/**
 * A layout that a sample can be told by: without a time by its thread and event; and by its event
 * where other numbers and addresses follow, which would be as good a period.
 */
export function pickLayout(random: Random): Layout {
  const maybe = () => random.integer(2) === 0;
  const rarely = () => random.integer(5) === 0;
  const time = random.pick(["no", "microseconds", "microseconds", "nanoseconds"] as const);
  const hasCallGraph = maybe();
  const comm = !rarely();
  const cpu = maybe();
  return {
    ...{ hasCallGraph, comm, cpu },
    pid: maybe(),
    tid: time === "no" || maybe(),
    // Alone, its letters would be as good a name.
    misc: (comm || cpu) && rarely(),
    tod: rarely(),
    time,
    period: maybe(),
    event: time === "no" || !hasCallGraph || !rarely(),
    machine: rarely(),
    idWidth: random.pick([5, 7]),
    srcline: rarely(),
    addr: rarely(),
    weight: rarely(),
    cgroup: rarely(),
    uregs: rarely(),
    brstack: rarely(),
    insn: rarely(),
    physAddr: rarely(),
    pageSize: rarely(),
    records: maybe(),
    header: maybe(),
  };
}

const hex16 = (value: bigint) => value.toString(16).padStart(16);

/** Prints samples one behind the other, with other records between them if the layout has these. */
export function printScript(samples: PrintedSample[], layout: Layout, random: Random): string {
  const header = random.pick(HEADERS);
  const parts = layout.header ? [header] : [];
  for (const sample of samples) {
    if (layout.records && random.integer(3) === 0) {
      parts.push(`${start(sample, layout)}${random.pick(RECORDS)}\n`);
    }
    parts.push(printSample(sample, layout, random));
  }
  return parts.join("");
}

/** The fields before the period. */
function start(sample: PrintedSample, layout: Layout): string {
  const { command, pid, tid, cpu, timeSeconds } = sample;
  const { idWidth } = layout;
  const id = (number: number) => `${number}`.padStart(idWidth);
  const ids = layout.pid && layout.tid
    ? `${id(pid)}/${`${tid}`.padEnd(idWidth)} `
    : layout.pid
    ? `${id(pid)} `
    : layout.tid
    ? `${id(tid)} `
    : "";
  const seconds = Math.floor(timeSeconds);
  const decimals = layout.time === "nanoseconds" ? 9 : 6;
  const fraction = Math.round((timeSeconds - seconds) * 10 ** 6) * 10 ** (decimals - 6);
  const time = `${seconds.toString().padStart(5)}.${`${fraction}`.padStart(decimals, "0")}`;
  return [
    layout.machine ? `VM:${"5".padStart(5)} VCPU:001 ` : "",
    layout.comm ? `${layout.hasCallGraph ? command : command.padStart(16)} ` : "",
    ids,
    layout.cpu
      ? `[${cpu < 0 ? `-${`${-cpu}`.padStart(2, "0")}` : `${cpu}`.padStart(3, "0")}] `
      : "",
    layout.misc ? "U     " : "",
    layout.tod ? "2026-11-28 19:14:34.181667 " : "",
    layout.time === "no" ? "" : `${time.padStart(12)}: `,
  ].join("");
}

function printSample(sample: PrintedSample, layout: Layout, random: Random): string {
  const { period, event, frames } = sample;
  const symbol = ({ symbol, offset }: PrintedSample["frames"][0]) =>
    symbol === "[unknown]" ? symbol : `${symbol}+0x${offset.toString(16)}`;
  const frame = (each: PrintedSample["frames"][0]) =>
    `${hex16(each.address)} ${symbol(each)} (${each.dso})`;
  const source = layout.srcline ? `\n  ${random.pick(SOURCE_LINES)}` : "";
  const stack = layout.hasCallGraph
    ? `\n${frames.map((each) => `\t${frame(each)}${source}\n`).join("")}`
    : ` ${frame(frames[0])}${source}`;
  return [
    start(sample, layout),
    layout.period ? `${`${period}`.padStart(10)} ` : "",
    layout.event ? `${event.padStart(12)}: ` : "",
    layout.addr ? `${hex16(0x7f12e82d0000n)} shared_table+0x0 (/srv/a b)` : "",
    layout.weight ? "30".padStart(16) : "",
    layout.cgroup ? " /kubepods/a (b)" : "",
    stack,
    layout.uregs ? " ABI:2    AX:0xffffffffffffffda    BX:0x7ffcc06e29ba " : "",
    layout.brstack ? " 0x55d0/0x55e0/P/-/-/3/CALL/-  0x55d1/0x55e1/M/-/-/0 " : "",
    layout.insn ? " ilen: 3 insn: 48 89 e5" : "",
    layout.physAddr ? hex16(0x123456789000n) : "",
    layout.pageSize ? ` ${random.pick(["4K", "2M", "N/A"])}` : "",
    "\n",
  ].join("");
}

const SOURCE_LINES = [
  "work.c:12",
  "work.h:3 (discriminator 2)",
  "ab cd/work.c:12",
  "web[1108]",
  "[kernel.kallsyms][ffffffff81775dda]",
];

/** What takes the event's place in a line of something else than a sample. */
const RECORDS = [
  "PERF_RECORD_FORK(7:8):(7:7)",
  "PERF_RECORD_EXIT(7:8):(7:8)",
  "PERF_RECORD_COMM exec: sh:7/7",
  "PERF_RECORD_MMAP2 7/7: [0x55d000000000(0x2000) @ 0 fe:00 5 0]: r-xp /srv/a 7/7 1.5: 3 b: c",
  "PERF_RECORD_SWITCH OUT preempt",
  "PERF_RECORD_SWITCH IN         ",
  "PERF_RECORD_LOST_SAMPLES lost 12",
  "PERF_RECORD_CGROUP cgroup: 25 /kubepods/a b",
  "PERF_RECORD_NAMESPACES 7/7 - nr_namespaces: 2\n\t\t[0/net: 4/0xf, 1/uts: 4/0xe, \n\t\t 2/ipc: 4/0xf]",
];

/** The headers of several releases. */
const HEADERS = [
  "# ========\n# captured on    : Sat Nov 28 19:00:21 2026\n# hostname : vm\n# os release : 5.10.0\n" +
  "# cmdline : /usr/bin/perf record -g 7/7 [001] 1.5: 3 cycles: \n# ========\n#\n",
  "# ========\n# header version : 1\n# nrcpus online : 2\n# time of first sample : 1222.171215\n" +
  "# sample duration :   1913.379 ms\n# missing features: TRACING_DATA BRANCH_STACK \n# ========\n#\n",
  "# ========\n# e_machine : 62\n#   e_flags : 0\n# cacheline size: 64\n# ========\n#\n",
];
