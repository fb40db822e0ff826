import type { Container, ContainerLookup } from "../containers/container.ts";
import type { RecordExit } from "../perf/perf.ts";
import { PerfDataCounter } from "../perf/perf_data.ts";
import type { RecordingOptions } from "../recording.ts";
import { StatusError } from "../status_error.ts";
import { wait } from "../../wait.ts";
import type { Attached, Attacher } from "./attach.ts";
import type { ErrorGroup } from "./error_group.ts";
import { FLUSH_INTERVAL_MS, type PerfRecords } from "./perf_records.ts";
import { recordInGroups } from "./record_in_groups.ts";

/** The parts that `EnteredProcesses` works with. */
interface EnteredProcessesParts {
  lookup: ContainerLookup;
  container: Container;
  options: RecordingOptions;
  attacher: Attacher;
  records: PerfRecords;
  group: ErrorGroup;
  /** Resolves when the recording samples, at once unless it pauses. */
  sampling(): Promise<void>;
  /** Hears how each perf record has ended. */
  onExit(exit: RecordExit): void;
  /** Hears that so many processes are not recorded. */
  onMissed(processes: number, reason: string): void;
}

/**
 * The processes that come into a container from outside while it is recorded, and those that were
 * late when perf attached to it. A few perf records more record them.
 */
export class EnteredProcesses {
  /** How many were not recorded. */
  missed = 0;

  constructor(private readonly parts: EnteredProcessesParts) {}

  /**
   * Records them until `sampled` is aborted, and resolves when that is delivered. `elapsedSeconds`
   * says how long the recording has sampled. Rejects when the processes cannot be listed.
   */
  async record(
    late: readonly number[],
    sampled: AbortSignal,
    elapsedSeconds: () => number,
  ): Promise<void> {
    const { lookup, container, options, attacher, records, group, sampling } = this.parts;
    // One stream of perf.data cannot follow another, and --main-process means one process.
    if (options.format === "data" || options.mainProcess) {
      if (late.length === 0) return;
      const left = await attacher.processes();
      const missed = late.filter((pid) => left.includes(pid)).length;
      if (missed > 0) this.#miss(missed, "they started while perf attached");
      return;
    }
    const entered = startingWith(late, lookup.entered(container, sampled));
    const missed = await recordInGroups(entered, async (pids) => {
      // A descendant of a recorded process is taken for entered when its parent has ended and its
      // heir is outside. perf reports it, at the latest when it is made to write.
      records.flush();
      await wait(FLUSH_INTERVAL_MS, sampled);
      await sampling();
      const unknown = pids.filter((pid) => !records.haveFollowed(pid));
      const durationSeconds = options.durationSeconds - elapsedSeconds();
      if (sampled.aborted || durationSeconds < FLUSH_INTERVAL_MS / 1000) return;
      // One that fails ends all others, and is heard of by that.
      await group.run(this.#recordGroup(unknown, durationSeconds, sampled)).catch(() => {});
    });
    if (missed > 0) this.#miss(missed, "too many entered at a time");
  }

  async #recordGroup(pids: number[], durationSeconds: number, sampled: AbortSignal): Promise<void> {
    const entered = await this.#attach(pids, durationSeconds);
    if (!entered) return;
    const { records, group, onExit } = this.parts;
    const { perf, pids: attachedTo, threads, attached } = entered;
    const counter = new PerfDataCounter(attachedTo, threads);
    const delivered = group.run(records.deliver(perf, counter, { attached, stop: sampled }));
    await Promise.all([perf.exit.then(onExit), delivered]);
  }

  /** Resolves with nothing when perf cannot attach. */
  async #attach(pids: readonly number[], durationSeconds: number): Promise<Attached | undefined> {
    try {
      return await this.parts.attacher.attachTo(pids, durationSeconds);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      // The failure of one must not lose the recordings of the others.
      this.#miss(pids.length, error.message);
      return undefined;
    }
  }

  #miss(processes: number, reason: string): void {
    this.missed += processes;
    this.parts.onMissed(processes, reason);
  }
}

async function* startingWith(
  first: readonly number[],
  more: AsyncIterable<readonly number[]>,
): AsyncGenerator<readonly number[]> {
  if (first.length > 0) yield first;
  yield* more;
}
