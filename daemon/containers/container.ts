import type { StatusError } from "../status_error.ts";

/** A container that runs on this node. */
export interface Container {
  /** The runtime's id, without the `containerd://` that Kubernetes writes before it. */
  id: string;
  /** The process that the runtime started, as the daemon's PID namespace counts. */
  mainPid: number;
  /** What is known of its pod: the cgroup path contains only the UID, CRI knows the rest. */
  podUid?: string;
  podNamespace?: string;
  podName?: string;
  containerName?: string;
  /** Why it cannot be recorded, for a caller who may know of it. */
  problem?: StatusError;
}

/**
 * Finds out whether ids of a container's processes were given to other processes between being
 * listed and being used.
 */
export interface PidGuard {
  /** Takes note of processes, as they are listed now; resolves with how many threads they have. */
  note(pids: readonly number[]): Promise<number>;

  /**
   * Whether all of what was noted, and every thread of it, has been the container's, or nobody's,
   * since the guard was asked for.
   */
  holds(): Promise<boolean>;
}

/** The kernel's counters of a thread, since it started. */
export interface ThreadTimes {
  pid: number;
  tid: number;
  /** When it started, in clock ticks since the system did. */
  startTicks: number;
  /** Its name, which it can set to anything. */
  comm: string;
  /** Nanoseconds on a processor. */
  runNs: number;
  /** Nanoseconds in which it waited for one. */
  delayNs: number;
  /** How often it was put on a processor. */
  turns: number;
}

/** A way to find a container and its processes. Rejections are `StatusError`s. */
export interface ContainerLookup {
  /** Finds a running container. `NOT_FOUND` when no container of this node has the id. */
  find(containerId: string, signal?: AbortSignal): Promise<Container>;

  /** The container's processes at this moment, ascending; empty when it has ended. */
  processes(container: Container): Promise<number[]>;

  /** Call it before `processes` when the result will be used. */
  guard(container: Container): Promise<PidGuard>;

  /**
   * Yields processes that came into the container from outside since the last look (`kubectl exec`
   * makes such), with the children they have by then. Children of the container's own processes
   * are not among them: perf follows those by itself. Ends when `signal` aborts.
   */
  entered(container: Container, signal: AbortSignal): AsyncIterable<number[]>;

  /**
   * What the kernel has counted of up to `maxThreads` threads of processes; nothing of those that
   * have gone, and nothing at all where it does not tell.
   */
  threadTimes(pids: readonly number[], maxThreads: number): Promise<ThreadTimes[]>;

  /**
   * Seconds since the system started (CLOCK_BOOTTIME), to 10 ms; undefined where it is not known.
   */
  uptime(): Promise<number | undefined>;

  /** Rejects with words for an administrator when containers cannot be looked up at all. */
  check(): Promise<void>;
}
