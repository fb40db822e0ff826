import { StatusError } from "../status_error.ts";

/** Why a `perf record` did not start, as far as its messages tell. */
export type PerfFailure =
  /** A process went away between being listed and being attached to: list again. */
  | "no-such-process"
  /** The ring buffers are above perf_event_mlock_kb: ask for smaller ones. */
  | "ring-buffer-too-large"
  /** perf may not sample these processes, or anything. */
  | "not-permitted"
  /** There are more threads, processors and events than perf may open files for. */
  | "too-many-events"
  /** This node has no such event or no such call graph, or others use all that it has. */
  | "not-supported"
  /** This perf lacks an option: it is of another time than those that the daemon knows. */
  | "too-old"
  | "other";

/** perf writes this for an unknown option, before it lists the known ones. */
const UNKNOWN_OPTION = /unknown option `([^']*)'/;

/**
 * perf's own words, from tools/perf/builtin-record.c, util/evsel.c (evsel__open_strerror) and
 * util/parse-events.c of 6.1, 6.12 and 7.2.
 */
const PATTERNS: [RegExp, PerfFailure][] = [
  [/No such process/, "no-such-process"],
  [
    /Permission error mapping pages|failed to mmap with \d+ \(Cannot allocate/,
    "ring-buffer-too-large",
  ],
  [/Too many events are opened/, "too-many-events"],
  [/Access to performance monitoring and observability operations is limited/, "not-permitted"],
  [/No permission to enable|No permissions to read/, "not-permitted"],
  [/Permission denied|Operation not permitted/, "not-permitted"],
  [/doesn't support|(is|may) not (be )?supported|feature not supported/, "not-supported"],
  [UNKNOWN_OPTION, "too-old"],
  [/kernel does not support recording/, "not-supported"],
  [/isn't supported|No hardware sampling interrupt available/, "not-supported"],
  [/PMU counters are busy|Not enough memory to setup event/, "not-supported"],
  [/event syntax error|(Unsupported|Invalid) event \(|Cannot collect data source/, "not-supported"],
  [/No such device/, "not-supported"],
  // ENOENT, ENXIO, EINVAL and EOPNOTSUPP, as 6.1 and 6.12 and as 7.2 write them.
  [/sys_perf_event_open\(\) syscall returned with (2|6|22|95) /, "not-supported"],
  [/syscall failed for event .*: (No such|Invalid argument|Operation not supp)/, "not-supported"],
];

/** Reads what went wrong out of what perf wrote to its standard error. */
export function classifyPerfFailure(stderr: string): PerfFailure {
  return PATTERNS.find(([pattern]) => pattern.test(stderr))?.[1] ?? "other";
}

/**
 * Whether a perf that goes on has left an event out: 7.2, unlike 6.1 and 6.12, records without
 * those that it cannot open, as long as there is one that it can.
 */
export function hasDroppedEvent(stderr: string): boolean {
  return DROPPED_EVENT.test(stderr);
}

/** Turns the messages of a failed perf into an error with words for the caller. */
export function perfError(command: string, stderr: string): StatusError {
  const message = summarize(stderr);
  switch (classifyPerfFailure(stderr)) {
    case "no-such-process":
      return new StatusError("NOT_FOUND", "the container ended before perf could attach to it");
    case "not-permitted":
      return new StatusError("FAILED_PRECONDITION", `perf may not record on this node: ${message}`);
    case "too-many-events":
      return new StatusError(
        "FAILED_PRECONDITION",
        "the container has too many threads for perf on this node: record the main process only " +
          `(--main-process), or fewer events. perf said: ${message}`,
      );
    case "not-supported":
      return new StatusError("FAILED_PRECONDITION", `this node cannot record that: ${message}`);
    case "too-old":
      return new StatusError(
        "FAILED_PRECONDITION",
        `this node's perf is too old to record that: ${command} has no option ` +
          `--${UNKNOWN_OPTION.exec(stderr)?.[1]}`,
      );
    default:
      return new StatusError("INTERNAL", `${command} failed: ${message}`);
  }
}

const DROPPED_EVENT = /^Failure to open event .* which will be removed\.$/m;

/** Lines around the reason. */
const CHATTER = [
  /^(\[ perf record: .*|Failure to open any events for recording\.|Run 'perf list' for .*)?$/,
  DROPPED_EVENT,
  /^Failed to open \/proc\/schedstat$/,
  // One of many threads was gone.
  /^WARNING: Ignored open failure for pid \d+$/,
];

/** The lines of perf's messages that say why, at most three, on one line. */
function summarize(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim())
    .filter((line) => !CHATTER.some((pattern) => pattern.test(line)));
  // Whatever perf warns of comes before: kptr_restrict's warning alone has seven lines.
  let start = lines.findIndex((line) => classifyPerfFailure(line) !== "other");
  if (start < 0) start = lines.findIndex((line) => line.startsWith("Error:"));
  const said = lines.slice(Math.max(start, 0)).map((line) => line.replace(/^Error:\s*/, ""));
  return said.filter((line) => line !== "").slice(0, 3).join(" ").slice(0, 400) ||
    "it said nothing about why";
}
