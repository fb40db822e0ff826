import type { ContainerLookup, ThreadTimes } from "../containers/container.ts";
import type { PerfRecord } from "../perf/perf.ts";
import type { RecordingOptions, ThreadTime } from "../recording.ts";
import { StatusError } from "../status_error.ts";
import { wait } from "../../wait.ts";
import { BACKLOG_BYTES } from "./attach.ts";
import { Bursts } from "./bursts.ts";
import { ByteBudget } from "./byte_budget.ts";
import type { Limits } from "./recording_options.ts";
import { QUIET_SHARE, quietThreads } from "./quiet_threads.ts";
import { sameThreadIn } from "./same_thread.ts";
import { beginningNotes, endNotes, pauseNotes } from "./thread_time_notes.ts";

/** A copied stack is many bytes, which cost a target little: it may have so many times more. */
const DWARF_FACTOR = 8;
/** Bytes of an event, on average: two switches and a sample with a short stack have 185. */
const LOST_EVENT_BYTES = 64;
/**
 * A shorter burst would see the beginning or the end of few waits, and both of hardly any; but
 * where very much is written waits are short, and a burst of so many seconds' budget is enough.
 */
const MIN_BURST_MS = 250;
const MAX_BURST_SECONDS = 4;
/** More would fill perf's backlog, and a perf that has to wait does not end when it is told to. */
const MAX_BURST_BYTES = BACKLOG_BYTES / 2;
/**
 * How many threads are looked at before and after a pause, and so may be watched in the next one,
 * and how long that may put it off.
 */
const MAX_STILL_THREADS = 1024;
const MAX_LOOK_MS = 500;
/**
 * How often fewer threads are chosen in one pause: a target could have one after the other switch
 * as soon as perf is attached, which costs the node a fifth of a second of a processor each time.
 */
const MAX_NARROWINGS = 3;

/** The parts that a `ThreadTimeRecording` works with. */
interface ThreadTimeParts {
  lookup: Pick<ContainerLookup, "threadTimes" | "uptime">;
  limits: Pick<Limits, "maxThreads" | "threadTimeBytesPerSecond">;
  options: RecordingOptions & { threadTime: ThreadTime };
  /** The processes that are recorded, as they are now. */
  processes(): Promise<number[]>;
  /** Puts lines between samples of the text. */
  write(lines: string): Promise<void>;
  /** Is called when a pause begins. */
  paused(): void;
  /** Ends everything. */
  abort: AbortSignal;
}

/** How perf is attached again; each rejects with a `StatusError` when it is not possible now. */
interface AgainParts {
  /** Attaches to everything; resolves with nothing when there is nothing any more. */
  attach(durationSeconds: number): Promise<PerfRecord | undefined>;
  /**
   * Attaches to those threads of some processes that `choose` finds, when others cannot take their
   * ids any more; resolves with nothing when it finds none.
   */
  attachToThreads(
    pids: readonly number[],
    choose: (pids: readonly number[]) => Promise<number[]>,
    durationSeconds: number,
  ): Promise<PerfRecord | undefined>;
}

/** Threads as they were looked at. */
interface Look {
  threads: readonly ThreadTimes[];
  /** As `performance.now()` has it. */
  at: number;
}

/**
 * What a recording of threads' time has beyond one of samples: it pauses when perf writes too much,
 * for threads that switch often, and reports what the kernel has counted of the threads.
 */
export class ThreadTimeRecording {
  readonly #bytesPerSecond: number;
  readonly #budget: ByteBudget;
  readonly #maxBurstBytes: number;
  #bursts: Bursts | undefined;
  /** When the last pause was over, and what has been written since. */
  #resumedAt = 0;
  #writtenBytes = 0;
  /** Whether perf is not attached to everything, or about not to be. */
  #pausing = false;
  /** Aborts when it may not be any longer that perf is attached as it is. */
  #muchWritten = new AbortController();
  /** The threads that perf is attached to when it is not to all, and what they may cost. */
  #quiet: { threads: readonly ThreadTimes[]; budget: ByteBudget } | undefined;
  /** How often fewer of them were chosen since perf was attached to all. */
  #narrowings = 0;
  #beganAt = 0;
  #begun = false;
  #uptime: Promise<number | undefined> = Promise.resolve(undefined);
  /** What the kernel had counted at the beginning; nothing where it does not tell. */
  #atBeginning: Promise<ThreadTimes[] | undefined> = Promise.resolve(undefined);
  /** Threads when the last pause was over, and before the next one began. */
  #afterPause: Promise<Look> = Promise.resolve({ threads: [], at: 0 });
  #beforePause: Look = { threads: [], at: 0 };
  /** The processes that were recorded when they were last looked at. */
  #pids: readonly number[] = [];

  constructor(private readonly parts: ThreadTimeParts) {
    const { limits: { threadTimeBytesPerSecond }, options: { callGraph } } = parts;
    this.#bytesPerSecond = threadTimeBytesPerSecond * (callGraph === "dwarf" ? DWARF_FACTOR : 1);
    this.#budget = new ByteBudget(this.#bytesPerSecond);
    this.#maxBurstBytes = Math.min(MAX_BURST_BYTES, this.#bytesPerSecond * MAX_BURST_SECONDS);
  }

  /** perf has written so many bytes. */
  took(bytes: number): void {
    this.#budget.take(bytes);
    this.#quiet?.budget.take(bytes);
    this.#writtenBytes += bytes;
    const isMuch = this.#quiet?.budget.isOverdrawn ?? this.#writtenBytes > this.#maxBurstBytes;
    if (isMuch) this.#muchWritten.abort();
    if (this.#bursts && this.#budget.isOverdrawn && !this.#pausing) this.#pause(this.#bursts);
  }

  /**
   * perf has lost so many events, which cost the target as much as those that it has written. That
   * is heard of late: quiet threads did not cause it.
   */
  lost(events: number): void {
    if (events > 0) this.#budget.take(events * LOST_EVENT_BYTES);
  }

  /** A perf record that pauses, out of one that does not and of those that come after it. */
  inBursts(first: PerfRecord, again: AgainParts): PerfRecord {
    const { options: { durationSeconds }, abort } = this.parts;
    this.#resumedAt = performance.now();
    return this.#bursts = new Bursts(first, {
      ...{ durationSeconds, abort },
      rested: (signal) => this.#budget.full(signal),
      attach: (seconds) => again.attach(seconds),
      attachToQuiet: (seconds) => this.#attachToQuiet(again, seconds),
      quietIsOver: (signal) => this.#quietIsOver(signal),
      resumed: (seconds) => this.#resumed(seconds),
    });
  }

  /** Resolves when there is no pause. */
  async sampling(): Promise<void> {
    await this.#bursts?.sampling;
  }

  /**
   * Looks at what the kernel has counted when perf begins to sample these processes; for the last
   * time before `begin`.
   */
  look(pids: readonly number[]): void {
    if (this.#begun) return;
    const { lookup, limits } = this.parts;
    this.#pids = pids;
    this.#beganAt = performance.now();
    this.#uptime = lookup.uptime();
    this.#atBeginning = lookup.threadTimes(pids, limits.maxThreads).catch(() => undefined);
    this.#afterPause = lookOf(this.#atBeginning);
    // It may be looked at again.
    this.#uptime.catch(() => {});
  }

  /** Begins the text. */
  async begin(): Promise<void> {
    this.#begun = true;
    const { options, write } = this.parts;
    await write(beginningNotes(options.threadTime, await this.#uptime));
  }

  /** Takes what the text ends with down, when perf samples no longer. Resolves with it. */
  async end(): Promise<string> {
    const seconds = (performance.now() - this.#beganAt) / 1000;
    const after = await this.#threads(this.parts.limits.maxThreads);
    const before = await this.#atBeginning;
    // Without a beginning nobody knows what was counted since.
    const known = before && after ? { before, after } : { before: [], after: [] };
    return endNotes({ seconds, ...known });
  }

  /** Watches everything no longer, when it has been watched for a while. */
  async #pause(bursts: Bursts): Promise<void> {
    this.#pausing = true;
    const { paused, abort } = this.parts;
    const signal = AbortSignal.any([abort, this.#muchWritten.signal]);
    await wait(this.#resumedAt + MIN_BURST_MS - performance.now(), signal);
    await this.#lookBeforePause();
    paused();
    bursts.pause();
  }

  /** While perf still samples: a thread that has a turn in between is not taken for one without. */
  async #lookBeforePause(): Promise<void> {
    const { lookup, abort } = this.parts;
    const looking = lookup.threadTimes(this.#pids, MAX_STILL_THREADS).catch(() => []);
    const late = wait(MAX_LOOK_MS, abort).then(() => []);
    this.#beforePause = await lookOf(Promise.race([looking, late]));
  }

  /** Attaches to the threads that can be watched while the budget fills up again. */
  async #attachToQuiet(again: AgainParts, seconds: number): Promise<PerfRecord | undefined> {
    const { lookup, limits } = this.parts;
    const [start, end] = [await this.#afterPause, this.#beforePause];
    const wanted = quietThreads({
      ...{ before: start.threads, after: end.threads, seconds: (end.at - start.at) / 1000 },
      bytes: this.#writtenBytes,
    }, this.#bytesPerSecond);
    if (wanted.length === 0) return undefined;
    const isWanted = sameThreadIn(wanted);
    const pids = [...new Set(wanted.map(({ pid }) => pid))];
    let threads: ThreadTimes[] = [];
    const perf = await again.attachToThreads(pids, async (pids) => {
      const left = await lookup.threadTimes(pids, limits.maxThreads);
      threads = left.filter(isWanted);
      return threads.map(({ tid }) => tid);
    }, seconds);
    if (perf) this.#quiet = { threads, budget: new ByteBudget(this.#bytesPerSecond * QUIET_SHARE) };
    return perf;
  }

  /** Resolves when perf may be attached to everything again, or must not be to these threads. */
  async #quietIsOver(signal: AbortSignal): Promise<{ mayBeFewer: boolean }> {
    await this.#budget.full(AbortSignal.any([signal, this.#muchWritten.signal]));
    if (!signal.aborted) await this.#lookBeforePause();
    const mayBeFewer = this.#muchWritten.signal.aborted && !signal.aborted &&
      this.#narrowings++ < MAX_NARROWINGS;
    if (mayBeFewer) {
      // Of the others nothing was written.
      const watched = new Set(this.#quiet?.threads.map(({ tid }) => tid));
      const { threads, at } = this.#beforePause;
      this.#beforePause = { threads: threads.filter(({ tid }) => watched.has(tid)), at };
    }
    this.#quiet = undefined;
    return { mayBeFewer };
  }

  /** perf samples again, or will not any more. */
  async #resumed(seconds: number): Promise<void> {
    this.#resumedAt = performance.now();
    this.#writtenBytes = 0;
    this.#muchWritten = new AbortController();
    this.#pausing = this.#quiet !== undefined;
    if (!this.#quiet) this.#narrowings = 0;
    const watched = this.#quiet?.threads ?? [];
    const endedAt = await this.parts.lookup.uptime();
    this.#afterPause = lookOf(this.#threads(MAX_STILL_THREADS));
    const [before, after] = [this.#beforePause.threads, (await this.#afterPause).threads];
    await this.parts.write(pauseNotes({ before, after, watched, seconds, endedAt }));
  }

  /** Looks at the threads; resolves with nothing when the node does not tell. */
  async #threads(maxThreads: number): Promise<ThreadTimes[] | undefined> {
    const { lookup, processes } = this.parts;
    try {
      // At once, before the processes are listed anew, which takes a while.
      const threads = await lookup.threadTimes(this.#pids, maxThreads);
      const known = new Set(this.#pids);
      this.#pids = await processes();
      const others = this.#pids.filter((pid) => !known.has(pid));
      threads.push(...await lookup.threadTimes(others, maxThreads - threads.length));
      // A number may have become another container's process meanwhile.
      const left = new Set(others.length > 0 ? await processes() : this.#pids);
      return threads.filter(({ pid }) => left.has(pid));
    } catch (error) {
      if (error instanceof StatusError) return undefined;
      throw error;
    }
  }
}

/** Says when threads were looked at. */
async function lookOf(looking: Promise<readonly ThreadTimes[] | undefined>): Promise<Look> {
  const threads = await looking ?? [];
  return { threads, at: performance.now() };
}
