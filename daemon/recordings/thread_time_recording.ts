import type { ContainerLookup, ThreadTimes } from "../containers/container.ts";
import type { PerfRecord } from "../perf/perf.ts";
import type { RecordingOptions, ThreadTime } from "../recording.ts";
import { StatusError } from "../status_error.ts";
import { wait } from "../../wait.ts";
import { BACKLOG_BYTES } from "./attach.ts";
import { Bursts } from "./bursts.ts";
import { ByteBudget } from "./byte_budget.ts";
import type { Limits } from "./recording_options.ts";
import { beginningNotes, endNotes, pauseNotes } from "./thread_time_notes.ts";

/** A copied stack is many bytes, which cost a target little: it may have so many times more. */
const DWARF_FACTOR = 8;
/** What an event has on average: two switches and a sample with a short stack have 185. */
const LOST_EVENT_BYTES = 64;
/** A shorter burst would see the beginning or the end of few waits, and both of hardly any. */
const MIN_BURST_MS = 250;
/** More would fill perf's backlog, and a perf that has to wait does not end when it is told to. */
const MAX_BURST_BYTES = BACKLOG_BYTES / 2;
/** How many threads are looked at before and after a pause, and how long that may put it off. */
const MAX_STILL_THREADS = 256;
const MAX_LOOK_MS = 500;

/** What threads' time is recorded with. */
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

/**
 * What a recording of threads' time has beyond one of samples: it pauses when perf writes too much,
 * and tells what the kernel has counted of the threads.
 */
export class ThreadTimeRecording {
  readonly #budget: ByteBudget;
  #bursts: Bursts | undefined;
  #burstBeganAt = 0;
  #burstBytes = 0;
  /** Whether there is a pause, or about to be one. */
  #pausing = false;
  /** Aborts when a burst may not be any longer. */
  #muchWritten = new AbortController();
  #beganAt = 0;
  #begun = false;
  #uptime: Promise<number | undefined> = Promise.resolve(undefined);
  /** What the kernel had counted at the beginning; nothing where it does not tell. */
  #atBeginning: Promise<ThreadTimes[] | undefined> = Promise.resolve(undefined);
  #beforePause: ThreadTimes[] = [];
  /** The processes that were recorded when they were last looked at. */
  #pids: readonly number[] = [];

  constructor(private readonly parts: ThreadTimeParts) {
    const { limits: { threadTimeBytesPerSecond }, options: { callGraph } } = parts;
    const factor = callGraph === "dwarf" ? DWARF_FACTOR : 1;
    this.#budget = new ByteBudget(threadTimeBytesPerSecond * factor);
  }

  /** perf has written so many bytes. */
  took(bytes: number): void {
    this.#budget.take(bytes);
    this.#burstBytes += bytes;
    if (this.#burstBytes > MAX_BURST_BYTES) this.#muchWritten.abort();
    if (this.#bursts && this.#budget.isOverdrawn && !this.#pausing) this.#pause(this.#bursts);
  }

  /** perf has lost so many events: they cost the target as much as those that it has written. */
  lost(events: number): void {
    if (events > 0) this.#budget.take(events * LOST_EVENT_BYTES);
  }

  /** A perf record that pauses, out of one that does not and of those that `attach` begins. */
  inBursts(
    first: PerfRecord,
    attach: (durationSeconds: number) => Promise<PerfRecord | undefined>,
  ): PerfRecord {
    const { options: { durationSeconds }, abort } = this.parts;
    this.#burstBeganAt = performance.now();
    const rested = (signal: AbortSignal) => this.#budget.full(signal);
    const resumed = (seconds: number) => this.#resumed(seconds);
    return this.#bursts = new Bursts(first, { rested, attach, resumed, durationSeconds, abort });
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

  async #pause(bursts: Bursts): Promise<void> {
    this.#pausing = true;
    const { lookup, paused, abort } = this.parts;
    const signal = AbortSignal.any([abort, this.#muchWritten.signal]);
    await wait(this.#burstBeganAt + MIN_BURST_MS - performance.now(), signal);
    // While perf still samples: a thread that has a turn in between is not taken for one without.
    this.#beforePause = await Promise.race([
      lookup.threadTimes(this.#pids, MAX_STILL_THREADS).catch(() => []),
      wait(MAX_LOOK_MS, abort).then(() => []),
    ]);
    paused();
    bursts.pause();
  }

  /** perf samples again, or will not any more. */
  async #resumed(seconds: number): Promise<void> {
    this.#burstBeganAt = performance.now();
    this.#burstBytes = 0;
    this.#muchWritten = new AbortController();
    this.#pausing = false;
    const endedAt = await this.parts.lookup.uptime();
    const after = await this.#threads(MAX_STILL_THREADS) ?? [];
    await this.parts.write(pauseNotes({ before: this.#beforePause, after, seconds, endedAt }));
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
