import type { ProcessUsage } from "../process_usage.ts";
import { formatSize } from "../size.ts";
import { StatusError } from "../status_error.ts";

/** The limits of perf scripts. */
interface PerfWatchOptions {
  /** Memory of all perf scripts together. */
  maxMemoryBytes: number;
  /** The usage of a process; undefined when it has gone. */
  readUsage(pid: number): Promise<ProcessUsage | undefined>;
  /**
   * How often is looked: often enough, as half a gigabyte a second comes from a file without end.
   */
  intervalMs?: number;
  /** How long a perf script may do nothing for what it was given. */
  maxIdleSeconds?: number;
  /**
   * How long it may work without reading on or printing: with as many symbols as its memory holds
   * it takes less. Processor time, so that a busy node does not count.
   */
  maxBusySeconds?: number;
}

/** A perf script that is watched. */
interface WatchedScript {
  pid: number;
  /**
   * A number that grows with what it has read and written; undefined while it has nothing to do, or
   * cannot go on because of the daemon.
   */
  progress(): number | undefined;
  /** Ends it at once, for this reason. */
  end(failure: StatusError): void;
}

const DEFAULTS = { intervalMs: 100, maxIdleSeconds: 20, maxBusySeconds: 30 };

interface Watch {
  script: WatchedScript;
  progress: number | undefined;
  /** What it had used when it last read or wrote. */
  cpuSecondsAtProgress: number;
  cpuSeconds: number;
  /**
   * Looks since it last did anything: not a time, which goes on while the daemon itself stands
   * still.
   */
  idleLooks: number;
}

/**
 * Watches perf scripts, for they read files that a container has chosen: one may have no end, and
 * one may give nothing. Above their memory the largest is ended, and so is each that makes no
 * progress.
 */
export class PerfWatch {
  readonly #watches = new Set<Watch>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #looking = false;

  readonly #options: Required<PerfWatchOptions>;

  constructor(options: PerfWatchOptions) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Watches a perf script until the function that is returned is called. */
  add(script: WatchedScript): () => void {
    const watch = {
      script,
      progress: undefined,
      cpuSecondsAtProgress: 0,
      cpuSeconds: 0,
      idleLooks: 0,
    };
    this.#watches.add(watch);
    this.#timer ??= setInterval(() => this.#look(), this.#options.intervalMs);
    return () => {
      this.#watches.delete(watch);
      if (this.#watches.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const usages: [Watch, ProcessUsage][] = [];
    for (const watch of this.#watches) {
      // One whose files cannot be read has gone, or the node has worse troubles.
      const usage = await this.#options.readUsage(watch.script.pid).catch(() => undefined);
      if (usage && this.#watches.has(watch)) usages.push([watch, usage]);
    }
    this.#looking = false;
    for (const [watch, usage] of usages) this.#checkProgress(watch, usage);
    this.#checkMemory(usages);
  }

  #checkMemory(usages: [Watch, ProcessUsage][]): void {
    const { maxMemoryBytes } = this.#options;
    const total = usages.reduce((sum, [, { memoryBytes }]) => sum + memoryBytes, 0);
    if (total <= maxMemoryBytes) return;
    const [[largest, usage]] = usages.toSorted(([, a], [, b]) => b.memoryBytes - a.memoryBytes);
    this.#end(
      largest,
      `it took ${formatSize(roundToMebibytes(usage.memoryBytes))} of the ` +
        `${formatSize(maxMemoryBytes)} of memory that perf scripts have together on this node ` +
        "(--max-perf-memory), and was killed",
    );
  }

  #checkProgress(watch: Watch, { cpuSeconds, runnable }: ProcessUsage): void {
    const progress = watch.script.progress();
    const goesOn = progress === undefined || progress !== watch.progress;
    if (goesOn) watch.cpuSecondsAtProgress = cpuSeconds;
    const idle = !goesOn && !runnable && cpuSeconds === watch.cpuSeconds;
    watch.idleLooks = idle ? watch.idleLooks + 1 : 0;
    watch.progress = progress;
    watch.cpuSeconds = cpuSeconds;
    const { intervalMs, maxIdleSeconds, maxBusySeconds } = this.#options;
    if (watch.idleLooks * intervalMs >= maxIdleSeconds * 1000) {
      this.#end(watch, `it waited for a file for ${maxIdleSeconds} s, and was killed`);
    } else if (cpuSeconds - watch.cpuSecondsAtProgress > maxBusySeconds) {
      this.#end(
        watch,
        `it was busy with one file for ${maxBusySeconds} s of processor time, and was killed`,
      );
    }
  }

  #end(watch: Watch, how: string): void {
    if (!this.#watches.delete(watch)) return;
    watch.script.end(
      new StatusError(
        "FAILED_PRECONDITION",
        `perf script failed: ${how}. It reads the container's programs, its libraries and, of ` +
          "programs that make code as they run, /tmp/perf-PID.map: look for a named pipe, a link " +
          "to a device, or a huge file among them",
      ),
    );
  }
}

function roundToMebibytes(bytes: number): number {
  return Math.max(1, Math.round(bytes / 2 ** 20)) * 2 ** 20;
}
