import { createSwitchTextReader, type NamedThread } from "./switch_text.ts";
import {
  FIRST_STACK_ID,
  type Guess,
  type KnownStack,
  NO_STACK,
  NOT_SAMPLED,
  type SchedStat,
  ThreadAccount,
  type TimePart,
} from "./thread_account.ts";
import { TIME_EVENTS, TIME_NOTE } from "./time_events.ts";

/** Makes a text of threads' time out of one of switches, piece by piece. */
interface TimeTextMaker {
  /** Takes the next piece, and gives what of the result is ready. */
  push(chunk: Uint8Array): Generator<Uint8Array, void, void>;
  /** Gives the rest. Call it once, after the last piece. */
  finish(): Generator<Uint8Array, void, void>;
}

/** With this a text begins that has to become time text. */
export const SWITCH_TEXT_START = `${TIME_NOTE}thread-time `;

/**
 * Says by a text's beginning whether it has to become time text: the daemon says so; and a
 * recording of `context-switches` with `--switch-events`, printed with `--show-switch-events`, is
 * one.
 */
export function isSwitchText(start: string): boolean {
  return start.startsWith(SWITCH_TEXT_START) ||
    /: PERF_RECORD_SWITCH (IN|OUT)/.test(start) &&
      / (\S*[/,])?(context-switches|cs)\S*: *$/m.test(start);
}

/** How much is held in memory until the text ends. */
interface Limits {
  /** Parts of threads' time: beyond it they are put together to longer ones, or given at once. */
  maxParts: number;
  /** Characters of stacks: beyond it what there is is given at once. */
  maxStackLength: number;
  /** Threads: beyond it the one is ended of which nothing was heard for longest. */
  maxThreads: number;
}

const LIMITS: Limits = { maxParts: 200_000, maxStackLength: 1 << 25, maxThreads: 1 << 16 };

/** Times of the same stack that end within so long are one. */
const BUCKET_NS = 10_000_000;
/** Longer stretches are as good as the whole recording. */
const MAX_BUCKET_NS = 3600 * 1e9;
/** A time of the daemon's that is so far off is of another clock. */
const OTHER_CLOCK_NS = 60e9;
/** How much of a pause without a known time is in the gap that is taken for it, at least. */
const LEAST_GAP = 0.7;
/**
 * From one event to the next where threads switch very often, as they do where there are pauses.
 */
const SMALL_GAP_NS = 50e6;
const MAX_ENDED = 100_000;
const MAX_NAMED = 100_000;
const CHUNK_LENGTH = 64 * 1024;

const SWITCHES = /(^|[/,])(context-switches|cs)\b/;

/** A time in which the daemon did not watch. */
interface Pause {
  ns: number;
  /** When it ended; not there when the daemon has not said. */
  endNs?: number;
  /** The threads that did not run in it, with their processes; not there when nothing is known. */
  still?: Map<number, number>;
  /** The threads that alone are watched until the next pause; not there when all are. */
  watched?: Map<number, number>;
}

/** A time in which not all threads were watched. */
interface Rest {
  sinceNs: number;
  /** Those that were not. */
  others: ThreadAccount[];
  /** Those that were, by their ids. */
  watched: Set<number>;
}

/** A part of a thread's time as it is written. */
interface Given {
  thread: ThreadAccount;
  part: TimePart;
  periodNs: number;
}

/**
 * Makes time text (`grammar.md`) of what `perf script --show-switch-events --show-task-events --ns
 * --fields +pid` prints of a recording of `context-switches` with `--switch-events`, and of what
 * samples where threads run. Lines of the daemon's say how long it was and what the kernel counted.
 *
 * Each thread's time is known in full from its switches. Most of the result is given at the end,
 * since only then the kernel's totals are known. Whatever the text is, it does not throw, and what
 * it holds is bounded.
 */
export function createTimeTextMaker(limits: Partial<Limits> = {}): TimeTextMaker {
  const { maxParts, maxStackLength, maxThreads } = { ...LIMITS, ...limits };
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();

  const threads = new Map<number, ThreadAccount>();
  const totals = new Map<number, SchedStat & { pid: number; command: string }>();
  /** Threads that were there when the recording started, where perf reports them. */
  const firstThreads = new Map<number, NamedThread>();
  /** When threads have begun that were not there when the recording began. */
  const started = new Map<number, number>();
  /** Threads that have ended, so that who has their number is another. */
  const endedTids = new Map<number, number>();
  /** They are held until what others have waited is known. */
  let endedThreads: ThreadAccount[] = [];
  let notes = "";

  let stacks = new Map<string, KnownStack>();
  let stackLength = 0;
  let nextStackId = FIRST_STACK_ID;

  let bucketNs = BUCKET_NS;
  let onlyBlocked = false;
  let beganNs: number | undefined;
  let durationNs: number | undefined;
  let lastNs = 0;
  let hasEvents = false;
  /** Whether perf has told of all of `firstThreads`. */
  let isListed = false;
  let switches = 0;
  let sampledSwitches = 0;

  let still: Pause["still"];
  let watched: Pause["watched"];
  const pauses: Pause[] = [];
  let pauseCount = 0;
  let pausedNs = 0;
  let rest: Rest | undefined;
  let restedNs = 0;
  /** For how long threads were watched in rests, and what they started with them. */
  const watchedInRestsNs = new Map<number, number>();
  let lastPause: { startNs: number; endNs: number; still?: Pause["still"] } | undefined;

  const reader = createSwitchTextReader({
    sample(named, ns, { event, period }, text) {
      advance(ns);
      const thread = threadOf(named, ns);
      const timeNs = Math.max(ns, thread.sinceNs);
      const stack = intern(text);
      if (SWITCHES.test(event)) {
        sampledSwitches++;
        thread.leaving(timeNs, stack, period);
      } else thread.sampled(timeNs, stack, bucketNs);
    },
    switched(named, ns, how) {
      advance(ns);
      const thread = threadOf(named, ns);
      const timeNs = Math.max(ns, thread.sinceNs);
      if (how === "in") thread.enter(timeNs, bucketNs);
      else {
        switches++;
        thread.leave(timeNs, how === "preempted");
      }
    },
    began(named, timeNs, parentTid) {
      advance(timeNs);
      drop(named.tid, timeNs);
      const thread = new ThreadAccount(named.pid, named.tid, named.command, timeNs, true);
      thread.parentTid = parentTid;
      // perf hears of what watched threads start.
      rest?.watched.add(named.tid);
      hold(thread);
    },
    ended({ tid }, timeNs) {
      advance(timeNs);
      drop(tid, timeNs);
      endedTids.set(tid, timeNs);
      if (endedTids.size > MAX_ENDED) endedTids.delete(endedTids.keys().next().value!);
    },
    found(named) {
      // With perf's own process, which starts the program that it waits for, its list ends.
      isListed ||= hasEvents || named.command === "perf-exec";
      if (!isListed && firstThreads.size < 4 * maxThreads) firstThreads.set(named.tid, named);
    },
    comment,
  });

  function comment(line: string): void {
    if (!line.startsWith(TIME_NOTE)) return;
    const [name, ...words] = line.slice(TIME_NOTE.length).trimEnd().split(" ");
    switch (name) {
      case "thread-time":
        onlyBlocked = words[0] === "off-cpu";
        break;
      case "began":
        if (isNumber(words[0]) && beganNs === undefined) {
          beganNs = lastNs = reader.timeNs(words[0]);
        }
        break;
      case "duration":
        if (isNumber(words[0])) durationNs = Number(words[0]) * 1e9;
        break;
      case "still":
        still = addThreads(still, words);
        break;
      case "watched":
        watched = addThreads(watched, words);
        break;
      case "paused":
        if (isNumber(words[0])) {
          const endNs = isNumber(words[1]) ? reader.timeNs(words[1]) : undefined;
          const isOurs = endNs !== undefined && Math.abs(endNs - lastNs) < OTHER_CLOCK_NS;
          // The daemon that knows when it ended has looked at the threads as well.
          const looked = endNs === undefined ? undefined : new Map<number, number>();
          const ns = Number(words[0]) * 1e9;
          pauses.push({ ns, endNs: isOurs ? endNs : undefined, still: still ?? looked, watched });
        }
        still = watched = undefined;
        break;
      case "started": {
        const [pid, tid] = (words[0] ?? "").split("/");
        if (![pid, tid, words[1]].every(isNumber) || started.size >= 4 * maxThreads) break;
        started.set(Number(tid), reader.timeNs(words[1]));
        break;
      }
      case "thread": {
        const [ids, run, delay, turns, ...command] = words;
        const [pid, tid] = (ids ?? "").split("/");
        if (![pid, tid, run, delay, turns].every(isNumber) || totals.size >= 4 * maxThreads) break;
        totals.set(Number(tid), {
          pid: Number(pid),
          command: command.join(" "),
          runNs: Number(run),
          delayNs: Number(delay),
          turns: Number(turns),
        });
        break;
      }
      default:
        notes += `${line}\n`;
    }
  }

  /** Goes on to the time of the next event, over the pauses before it. */
  function advance(timeNs: number): void {
    if (beganNs === undefined || !hasEvents && beganNs > timeNs) beganNs = lastNs = timeNs;
    hasEvents = true;
    while (pauses.length > 0) {
      const { ns, endNs } = pauses[0];
      const gapNs = timeNs - lastNs;
      let startNs = lastNs;
      if (endNs !== undefined) {
        if (timeNs < endNs - ns / 2) break;
        startNs = Math.max(lastNs, Math.min(endNs - ns, timeNs - ns));
      } else if (gapNs < LEAST_GAP * ns) break;
      const pause = pauses.shift()!;
      // Where something happens all the time, the pause is from one event to the next.
      const isBusy = rest === undefined && !pause.watched && gapNs < ns + SMALL_GAP_NS;
      if (isBusy) pauseAll(lastNs, timeNs, pause);
      else pauseAll(startNs, Math.min(startNs + ns, timeNs), pause);
    }
    lastNs = Math.max(lastNs, timeNs);
  }

  function pauseAll(startNs: number, endNs: number, { still, watched }: Pause): void {
    if (endNs <= startNs) return;
    endRest(startNs);
    for (const [tid, pid] of [...still ?? [], ...watched ?? []]) {
      if (!threads.has(tid)) hold(new ThreadAccount(pid, tid, "", beganNs!, false));
    }
    for (const thread of threads.values()) {
      thread.pause(startNs, endNs, still?.has(thread.tid), bucketNs);
    }
    pauseCount++;
    pausedNs += endNs - startNs;
    lastNs = endNs;
    lastPause = { startNs, endNs, still };
    if (!watched) return;
    const others = [...threads.values()].filter(({ tid }) => !watched.has(tid));
    rest = { sinceNs: endNs, others, watched: new Set(watched.keys()) };
  }

  /** Ends the time in which some threads were not watched. */
  function endRest(timeNs: number): void {
    if (!rest) return;
    const { sinceNs, others, watched } = rest;
    rest = undefined;
    for (const thread of others) thread.pause(sinceNs, timeNs, false, bucketNs);
    const ns = Math.max(0, timeNs - sinceNs);
    restedNs += ns;
    for (const tid of watched) {
      if (watchedInRestsNs.size > 4 * maxThreads) break;
      watchedInRestsNs.set(tid, (watchedInRestsNs.get(tid) ?? 0) + ns);
    }
  }

  function threadOf({ pid, tid, command }: NamedThread, timeNs: number): ThreadAccount {
    let thread = threads.get(tid);
    if (thread && thread.pid !== pid) {
      drop(tid, timeNs);
      thread = undefined;
      endedTids.set(tid, timeNs);
    }
    if (!thread) {
      const isReused = endedTids.delete(tid);
      // A thread that is new after a pause has started in it.
      const isNew = lastPause?.still && !lastPause.still.has(tid) && timeNs > lastPause.startNs;
      const pause = isNew ? lastPause : undefined;
      const startNs = isReused ? timeNs : Math.min(timeNs, pause?.startNs ?? beganNs!);
      thread = new ThreadAccount(pid, tid, command, startNs, false);
      if (pause && !isReused) thread.pause(startNs, pause.endNs, false, bucketNs);
      hold(thread);
    }
    // perf's word for a thread whose name it does not know is `:TID`.
    if (!thread.command || !command.startsWith(":")) thread.command = command;
    return thread;
  }

  function hold(thread: ThreadAccount): void {
    threads.set(thread.tid, thread);
    if (threads.size <= maxThreads) return;
    const [oldest] = [...threads.values()].sort((a, b) => a.sinceNs - b.sinceNs);
    oldest.end(Math.max(lastNs, oldest.sinceNs), bucketNs);
    threads.delete(oldest.tid);
    endedThreads.push(oldest);
  }

  function drop(tid: number, timeNs: number): void {
    const thread = threads.get(tid);
    if (!thread) return;
    thread.end(Math.max(timeNs, thread.sinceNs), bucketNs);
    threads.delete(tid);
    endedThreads.push(thread);
  }

  function intern(text: string): KnownStack {
    if (text === "") return NO_STACK;
    const known = stacks.get(text);
    if (known) return known;
    // What is cut out of a piece would keep all of it in memory.
    const copy = decoder.decode(encoder.encode(text));
    const stack = { id: nextStackId++, text: copy };
    stacks.set(copy, stack);
    stackLength += copy.length;
    return stack;
  }

  /** The estimate for a thread that has ended. */
  function guessOfEnded({ parentTid }: ThreadAccount, latencyNs: number): Guess {
    if (pauseCount === 0) return { latencyNs };
    // Others like it came and went when nobody watched.
    const recordedNs = lastNs - (beganNs ?? lastNs);
    const inRestsNs = watchedInRestsNs.get(parentTid ?? NaN) ?? 0;
    const watchedNs = recordedNs - pausedNs - restedNs + inRestsNs;
    return { factor: recordedNs / Math.max(1, watchedNs), latencyNs };
  }

  /** How long threads waited for a processor each time that they woke up, on average. */
  function usualLatencyNs(): number {
    const latencies = [...threads.values()].flatMap(({ latencyNs }) => latencyNs ?? []);
    return latencies.reduce((sum, ns) => sum + ns, 0) / (latencies.length || 1);
  }

  /** Takes what threads have done. */
  function take(of: Iterable<ThreadAccount>, how: "at the end" | "ended" | "so far"): Given[] {
    const all: Given[] = [];
    const latencyNs = how === "ended" ? usualLatencyNs() : 0;
    for (const thread of of) {
      let exactNs = 0;
      let roundedNs = 0;
      const total = how === "at the end" ? totals.get(thread.tid) : undefined;
      const guess = how === "ended" ? guessOfEnded(thread, latencyNs) : {};
      for (const part of thread.parts(total, guess)) {
        exactNs += part.ns;
        const periodNs = Math.round(exactNs) - roundedNs;
        roundedNs += periodNs;
        if (periodNs > 0 && (!onlyBlocked || part.kind === "blocked")) {
          all.push({ thread, part, periodNs });
        }
      }
    }
    return all;
  }

  /** Writes what was taken, in the order of time. */
  function* write(given: Given[]): Generator<Uint8Array> {
    given.sort((a, b) => a.part.endNs - b.part.endNs);
    let text = notes;
    notes = "";
    for (const { thread: { command, pid, tid }, part, periodNs } of given) {
      const time = reader.seconds(part.endNs);
      const period = `${periodNs}`.padStart(10);
      text += `${command} ${pid}/${tid} ${time}: ${period} ${TIME_EVENTS[part.kind]}: \n` +
        `${part.stack.text}\n`;
      if (text.length < CHUNK_LENGTH) continue;
      yield encoder.encode(text);
      text = "";
    }
    if (text) yield encoder.encode(text);
  }

  /** How much is held. */
  function sizeNow(): number {
    let size = 0;
    for (const thread of threads.values()) size += thread.size;
    for (const thread of endedThreads) size += thread.size + 1;
    return size;
  }

  /** Gives what is too much to hold until the end. */
  function* makeRoom(): Generator<Uint8Array> {
    let size = sizeNow();
    while (size > maxParts && bucketNs < MAX_BUCKET_NS) {
      bucketNs *= 4;
      for (const thread of [...threads.values(), ...endedThreads]) thread.coalesce(bucketNs);
      size = sizeNow();
    }
    if (size <= maxParts && stackLength <= maxStackLength) return;
    const ended = endedThreads;
    endedThreads = [];
    yield* write(take(ended, "ended"));
    if (sizeNow() <= maxParts && stackLength <= maxStackLength) return;
    yield* write(take(threads.values(), "so far"));
    stacks = new Map();
    stackLength = 0;
    for (const thread of threads.values()) {
      thread.restack((stack) => {
        if (stack.id < FIRST_STACK_ID) return stack;
        return stackLength < maxStackLength / 2 ? intern(stack.text) : NOT_SAMPLED;
      });
    }
  }

  function finishThreads(): void {
    beganNs ??= lastNs;
    const endNs = Math.max(lastNs, durationNs === undefined ? lastNs : beganNs + durationNs);
    advance(endNs);
    endRest(endNs);
    const isTotalOfAll = totals.size > 0;
    for (const [tid, { pid, command }] of totals) {
      const thread = threads.get(tid);
      if (!thread && !endedTids.has(tid)) {
        hold(new ThreadAccount(pid, tid, command, beganNs, false));
      } else if (thread && !thread.command) thread.command = command;
    }
    if (!isTotalOfAll) {
      for (const { tid, pid, command } of firstThreads.values()) {
        if (threads.has(tid) || endedTids.has(tid)) continue;
        hold(new ThreadAccount(pid, tid, command, beganNs, false));
      }
    }
    for (const thread of threads.values()) {
      if (isTotalOfAll && pauseCount > 0 && !totals.has(thread.tid)) {
        thread.endUnseen();
        threads.delete(thread.tid);
        endedThreads.push(thread);
      } else {
        thread.end(Math.max(endNs, thread.sinceNs), bucketNs);
        thread.beginAt(started.get(thread.tid) ?? 0);
      }
    }
    tellThinned(endNs - beganNs);
  }

  function tellThinned(recordedNs: number): void {
    const seconds = (ns: number) => `${Number((ns / 1e9).toPrecision(3))} s`;
    if (pauseCount > 0) {
      const watchedNs = recordedNs - pausedNs;
      const watched = restedNs > 0
        ? `threads that switch often were watched for ${seconds(watchedNs - restedNs)} of ` +
          `${seconds(recordedNs)}, the others for ${seconds(watchedNs)}`
        : `threads were watched for ${seconds(watchedNs)} of ${seconds(recordedNs)}`;
      notes += `${TIME_NOTE}thinned: ${watched}, so as not to slow them down; the rest is ` +
        "estimated from that and from what the kernel counted\n";
    }
    if (sampledSwitches < 0.9 * switches) {
      notes += `${TIME_NOTE}thinned: ${sampledSwitches.toLocaleString("en")} of ` +
        `${switches.toLocaleString("en")} switches were recorded with their stack, so as not to ` +
        "slow the threads down; the others' time is divided as theirs\n";
    }
  }

  return {
    *push(chunk) {
      reader.push(chunk);
      if (notes) yield* write([]);
      yield* makeRoom();
    },
    *finish() {
      reader.finish();
      finishThreads();
      const given = take(threads.values(), "at the end");
      yield* write([...given, ...take(endedThreads, "ended")]);
    },
  };
}

function isNumber(word: string | undefined): word is string {
  return word !== undefined && /^\d{1,18}(\.\d{1,9})?$/.test(word);
}

/** Adds what `PID/TID` words name to threads, with their processes. */
function addThreads(threads = new Map<number, number>(), words: string[]): Map<number, number> {
  for (const word of words) {
    const [pid, tid] = word.split("/");
    if (isNumber(pid) && isNumber(tid) && threads.size < MAX_NAMED) {
      threads.set(Number(tid), Number(pid));
    }
  }
  return threads;
}
