/**
 * The lines of the daemon's own in the text of a recording of threads' time. No line of
 * perf script's own starts with `#` there.
 *
 * @module
 */
import type { ThreadTimes } from "../containers/container.ts";
import type { ThreadTime } from "../recording.ts";
import { sameThreadIn } from "./same_thread.ts";

/** How many threads one line names: it has less than 4 KiB. */
const THREADS_PER_LINE = 128;

/** As the kernel shows them everywhere (proc_pid_stat(5)). */
const TICKS_PER_SECOND = 100;

/**
 * The start of the text: the kind of the recording, and when it started, by perf's clock.
 */
export function beginningNotes(threadTime: ThreadTime, beganAt: number | undefined): string {
  return lines([
    `thread-time ${threadTime}`,
    ...(beganAt === undefined ? [] : [`began ${beganAt}`]),
  ]);
}

/**
 * What stands at the end of a pause: the threads that have not had a turn between looks before and
 * after it; those that are watched from now on, where others are not; how long the pause was, and
 * when it ended, by perf's clock.
 */
export function pauseNotes(
  { before, after, watched, seconds, endedAt }: {
    before: readonly ThreadTimes[];
    after: readonly ThreadTimes[];
    watched: readonly ThreadTimes[];
    seconds: number;
    endedAt: number | undefined;
  },
): string {
  const startOf = sameThreadIn(before);
  const still = after.filter((thread) => thread.turns === startOf(thread)?.turns);
  const end = endedAt === undefined ? "" : ` ${endedAt}`;
  return lines([
    ...named("still", still),
    ...named("watched", watched),
    `paused ${seconds.toFixed(6)}${end}`,
  ]);
}

function named(what: string, threads: readonly ThreadTimes[]): string[] {
  const notes: string[] = [];
  for (let at = 0; at < threads.length; at += THREADS_PER_LINE) {
    const ids = threads.slice(at, at + THREADS_PER_LINE).map(({ pid, tid }) => `${pid}/${tid}`);
    notes.push(`${what} ${ids.join(" ")}`);
  }
  return notes;
}

/**
 * What the text ends with: how long was recorded, and for each thread that was there at the end
 * what the kernel counted meanwhile (`/proc/<pid>/task/<tid>/schedstat`): nanoseconds on a
 * processor, nanoseconds of waiting for one, and turns; and of those that were not there at first
 * when they began, by perf's clock.
 */
export function endNotes(
  { before, after, seconds }: {
    before: readonly ThreadTimes[];
    after: readonly ThreadTimes[];
    seconds: number;
  },
): string {
  const startOf = sameThreadIn(before);
  const threads = after.flatMap((thread) => {
    const { pid, tid, comm, startTicks } = thread;
    const start = startOf(thread);
    // One that was not there yet, or another of that number, has had all of its time meanwhile.
    const { runNs, delayNs, turns } = start ?? { runNs: 0, delayNs: 0, turns: 0 };
    const counted = [thread.runNs - runNs, thread.delayNs - delayNs, thread.turns - turns];
    const started = `started ${pid}/${tid} ${(startTicks / TICKS_PER_SECOND).toFixed(2)}`;
    return [
      ...(start ? [] : [started]),
      `thread ${pid}/${tid} ${counted.join(" ")} ${onOneLine(comm)}`,
    ];
  });
  return lines([`duration ${seconds.toFixed(6)}`, ...threads]);
}

function lines(notes: readonly string[]): string {
  return notes.map((note) => `# necoperf: ${note}\n`).join("");
}

/** A thread can give itself any name. */
function onOneLine(comm: string): string {
  // deno-lint-ignore no-control-regex
  return comm.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "?");
}
