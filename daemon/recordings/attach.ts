import type { Container, ContainerLookup, PidGuard } from "../containers/container.ts";
import type { PerfRecord, RecordTarget, startPerfRecord } from "../perf/perf.ts";
import type { RecordingOptions } from "../recording.ts";
import { formatSize } from "../size.ts";
import { StatusError } from "../status_error.ts";
import type { Limits } from "./recording_options.ts";

/** How often a list of processes may turn out to be outdated before a recording is given up. */
const MAX_ATTACH_ATTEMPTS = 5;
/** After so many only those are tried that were there at the attempt before. */
const ATTEMPTS_ON_ALL = 2;
/** perf.data that waits in memory for perf script, or for the result; above it perf has to wait. */
export const BACKLOG_BYTES = 8 << 20;
/** The same for processes that enter later. */
const FOLLOWER_BACKLOG_BYTES = 2 << 20;

/** The parts that an `Attacher` works with. */
interface AttacherParts {
  lookup: ContainerLookup;
  startRecord: typeof startPerfRecord;
  limits: Pick<Limits, "maxThreads">;
  /** Hears of what each perf writes while it samples, in bytes. */
  onOutput?: (bytes: number) => void;
  /**
   * Hears at once when a perf samples, before it is sure that it does so with the right processes.
   */
  onSampling?: (pids: readonly number[]) => void;
}

/** A perf record that runs. */
export interface Attached {
  perf: PerfRecord;
  pids: readonly number[];
  /** How many threads those have. */
  threads: number;
  /** Resolves when it samples, and samples these processes. */
  attached: Promise<void>;
}

/** How perf is attached to processes that are known already. */
interface AttachToOptions {
  backlogBytes?: number;
  /** Finds the ids of threads of these processes, which are guarded by then. */
  chooseThreads?: (pids: readonly number[]) => Promise<number[]>;
}

/**
 * Attaches perf to a container's processes, and makes sure that it samples those and no others:
 * they come and go, and their ids are given away again. Aborting `signal` ends each perf that it
 * started.
 */
export class Attacher {
  constructor(
    private readonly parts: AttacherParts,
    private readonly container: Container,
    private readonly options: RecordingOptions,
    private readonly signal: AbortSignal,
  ) {}

  /** The processes that are to be recorded. */
  async processes(): Promise<number[]> {
    const pids = await this.parts.lookup.processes(this.container);
    return this.options.mainProcess ? pids.filter((pid) => pid === this.container.mainPid) : pids;
  }

  /**
   * Starts perf on the container's processes, listing them again when they have changed. On a busy
   * node children may end faster than perf attaches, each time. Those that last are recorded then;
   * the `late` ones were listed beside them.
   *
   * Rejects with a `StatusError`: `NOT_FOUND` when the container has ended, `FAILED_PRECONDITION`
   * when perf cannot record it.
   */
  async attachAll(): Promise<Attached & { late: number[] }> {
    const { durationSeconds, format } = this.options;
    let before: number[] = [];
    for (let attempt = 1;; attempt++) {
      const guard = await this.parts.lookup.guard(this.container);
      const listed = await this.processes();
      if (listed.length === 0) {
        throw new StatusError("NOT_FOUND", "the container has ended: it has no process any more");
      }
      const lasting = listed.filter((pid) => before.includes(pid));
      const pids = attempt > ATTEMPTS_ON_ALL && lasting.length > 0 ? lasting : listed;
      const late = listed.filter((pid) => !pids.includes(pid));
      before = listed;
      const threads = this.#requireFew(await guard.note(pids));
      try {
        const { onOutput } = this.parts;
        const target = { pids, durationSeconds, backlogBytes: BACKLOG_BYTES, onOutput };
        const mayStream = format === "script";
        return { ...await this.#startRecord(target, guard, { mayStream }), threads, late };
      } catch (error) {
        if (!isOutdated(error)) throw error;
        if (attempt < MAX_ATTACH_ATTEMPTS) continue;
        const left = await this.processes();
        // Without a change since, the processes are not what failed.
        throw left.length > 0 && left.join() !== listed.join() ? restless() : error;
      }
    }
  }

  /**
   * Starts perf on those of the processes that are still there, or on the threads of them that
   * `chooseThreads` finds; resolves with nothing when all have gone.
   */
  async attachTo(
    entered: readonly number[],
    durationSeconds: number,
    { backlogBytes = FOLLOWER_BACKLOG_BYTES, chooseThreads }: AttachToOptions = {},
  ): Promise<Attached | undefined> {
    for (let attempt = 1;; attempt++) {
      try {
        const guard = await this.parts.lookup.guard(this.container);
        // One is gone often: a runtime's helper, or a thread of what then becomes another program.
        const left = await this.processes();
        const pids = entered.filter((pid) => left.includes(pid));
        if (pids.length === 0) return undefined;
        const threads = this.#requireFew(await guard.note(pids));
        const tids = await chooseThreads?.(pids);
        if (tids?.length === 0) return undefined;
        const { onOutput } = this.parts;
        const target = { pids, tids, durationSeconds, backlogBytes, onOutput };
        return { ...await this.#startRecord(target, guard, { mayStream: false }), threads };
      } catch (error) {
        if (!isOutdated(error) || attempt >= MAX_ATTACH_ATTEMPTS) throw error;
      }
    }
  }

  /**
   * Starts perf and resolves when it samples no other processes than those the guard has taken note
   * of; or, with `mayStream`, when it waits for its output to be read while it writes down what
   * those have mapped.
   */
  async #startRecord(
    target: RecordTarget,
    guard: PidGuard,
    { mayStream }: { mayStream: boolean },
  ): Promise<Omit<Attached, "threads">> {
    const perf = await this.parts.startRecord(this.options, target, this.signal);
    const attached = perf.attached.then(async () => {
      this.parts.onSampling?.(target.pids);
      if (!await guard.holds()) throw restless();
    });
    attached.catch(() => {});
    try {
      const streams = await Promise.race([
        perf.attached.then(() => false),
        perf.full.then(() => true),
      ]);
      if (streams && !mayStream) throw tooMuchMapped(target);
      if (!streams) await attached;
    } catch (error) {
      await perf.discard();
      throw error;
    }
    return {
      perf,
      pids: target.pids,
      attached: attached.catch((error) => {
        // Of what has been read already there is no way back to another list.
        throw isOutdated(error) ? restless() : error;
      }),
    };
  }

  /** Returns the number of threads, for each of which perf opens events on each processor. */
  #requireFew(threads: number): number {
    const { maxThreads } = this.parts.limits;
    if (threads <= maxThreads) return threads;
    throw tooManyThreads(threads, maxThreads, this.options);
  }
}

/** The threads of a container are more than the daemon's administrator lets perf attach to. */
export function tooManyThreads(
  threads: number,
  maxThreads: number,
  { mainProcess }: Pick<RecordingOptions, "mainProcess">,
): StatusError {
  return new StatusError(
    "FAILED_PRECONDITION",
    `the ${threads} threads of the container's processes are above this node's limit of ` +
      `${maxThreads} (--max-threads)` +
      (mainProcess ? "" : ": record the main process only (--main-process)"),
  );
}

/** Whether processes have changed since they were listed. */
function isOutdated(error: unknown): boolean {
  return error instanceof StatusError &&
    (error.status === "NOT_FOUND" || error.message === RESTLESS);
}

const RESTLESS =
  "the container's processes changed again and again while perf attached to them: try again, or " +
  "record the main process only (--main-process)";

function restless(): StatusError {
  return new StatusError("FAILED_PRECONDITION", RESTLESS);
}

function tooMuchMapped({ pids, backlogBytes }: RecordTarget): StatusError {
  return new StatusError(
    "FAILED_PRECONDITION",
    `perf has more than ${formatSize(backlogBytes)} to say of what the ${pids.length} processes ` +
      "have mapped: record the main process only (--main-process), or as text (--format script)",
  );
}
