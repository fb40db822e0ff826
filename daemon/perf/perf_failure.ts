import { StatusError } from "../status_error.ts";

/** Why a `perf record` did not start, as far as its messages tell. */
export type PerfFailure =
  /** A process went away between being listed and being attached to: list again. */
  | "no-such-process"
  /** The ring buffers are above perf_event_mlock_kb: ask for smaller ones. */
  | "ring-buffer-too-large"
  /** perf may not sample these processes, or anything. */
  | "not-permitted"
  /** This node has no such event or no such call graph. */
  | "not-supported"
  | "other";

// perf's own words, from tools/perf/builtin-record.c and util/evsel.c.
const PATTERNS: [RegExp, PerfFailure][] = [
  [/No such process/, "no-such-process"],
  [
    /Permission error mapping pages|failed to mmap with \d+ \(Cannot allocate/,
    "ring-buffer-too-large",
  ],
  [/Access to performance monitoring and observability operations is limited/, "not-permitted"],
  [/Permission denied|Operation not permitted/, "not-permitted"],
  [/doesn't support branch stack sampling|is not supported|not supported/, "not-supported"],
];

/** Reads what went wrong out of what perf wrote to its standard error. */
export function classifyPerfFailure(stderr: string): PerfFailure {
  return PATTERNS.find(([pattern]) => pattern.test(stderr))?.[1] ?? "other";
}

/** Turns the messages of a failed perf into an error with words for the caller. */
export function perfError(command: string, stderr: string): StatusError {
  const words = summarize(stderr);
  switch (classifyPerfFailure(stderr)) {
    case "no-such-process":
      return new StatusError("NOT_FOUND", "the container ended before perf could attach to it");
    case "not-permitted":
      return new StatusError("FAILED_PRECONDITION", `perf may not record on this node: ${words}`);
    case "not-supported":
      return new StatusError("FAILED_PRECONDITION", `this node cannot record that: ${words}`);
    default:
      return new StatusError("INTERNAL", `${command} failed: ${words}`);
  }
}

const CHATTER = /^(Error:|\[ perf record: .*)?$/;

/** The first lines of perf's messages that say something, on one line. */
function summarize(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim());
  const telling = lines.filter((line) => !CHATTER.test(line));
  return telling.slice(0, 3).join(" ").slice(0, 400) || "it said nothing about why";
}
