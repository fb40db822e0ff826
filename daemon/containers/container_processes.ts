import { type CgroupContainer, containersAround, containersOfCgroup } from "./cgroup.ts";
import { type Procfs, readEach } from "./procfs.ts";
import { wait } from "../../wait.ts";

/** A running process of a container. */
interface ContainerProcess {
  pid: number;
  parentPid: number;
  /** When it started, in clock ticks since the system did. */
  startTicks: number;
  /** The UID of the pod, where the cgroup's path contains it. */
  podUid?: string;
}

/** A container's processes at one moment. */
export interface Look {
  /** Ascending by `pid`. */
  processes: ContainerProcess[];
  /** How many containers are around this one. */
  depth: number;
}

/**
 * Reads which containers a process is in, outermost first, from the text of its `cgroup` file: see
 * {@linkcode containersOfCgroup}.
 */
export async function cgroupReader(procfs: Procfs): Promise<(text: string) => CgroupContainer[]> {
  // Where the daemon is does not change.
  let around = aroundDaemon.get(procfs);
  if (!around) {
    aroundDaemon.set(procfs, around = containersAround(await procfs.cgroup(Deno.pid) ?? ""));
  }
  return (text) => containersOfCgroup(text, around);
}

const aroundDaemon = new WeakMap<Procfs, Set<string>>();

/**
 * Finds the processes in a container's cgroup, among `pids` or among all.
 *
 * A container is at one place. Where its id is found below further containers than elsewhere (than
 * `depth`, when given), somebody who may make cgroups in a container of theirs has taken the name,
 * and those processes are not the container's.
 */
export async function lookAtContainer(
  procfs: Procfs,
  containerId: string,
  options: { pids?: readonly number[]; depth?: number } = {},
): Promise<Look> {
  const containersOf = await cgroupReader(procfs);
  const members = await readEach(options.pids ?? await procfs.pids(), async (pid) => {
    const text = await procfs.cgroup(pid);
    // Most processes are in other containers: this spares taking their paths apart.
    if (!text?.includes(containerId)) return undefined;
    return containersOf(text).find(({ id }) => id === containerId);
  });
  let depth = options.depth ?? Infinity;
  for (const member of members.values()) depth = Math.min(depth, member.depth);
  const pids = [...members.keys()].filter((pid) => members.get(pid)!.depth === depth);
  const stats = await readEach(pids, (pid) => procfs.stat(pid));
  const processes: ContainerProcess[] = [];
  for (const [pid, { parentPid, startTicks, ended }] of stats) {
    // perf cannot be attached to a zombie, and one would make it give up on the others.
    if (ended) continue;
    processes.push({ pid, parentPid, startTicks, podUid: members.get(pid)!.podUid });
  }
  return { processes: processes.sort((a, b) => a.pid - b.pid), depth };
}

/**
 * The process that the runtime started: of those whose parent is outside of the container, the one
 * that started first (later ones were executed into it). Undefined for no processes.
 */
export function mainProcess(processes: readonly ContainerProcess[]): ContainerProcess | undefined {
  const inside = new Set(processes.map(({ pid }) => pid));
  const fromOutside = processes.filter(({ parentPid }) => !inside.has(parentPid));
  // The parent of each was inside only if some ended while they were looked at, one after the
  // other.
  const candidates = fromOutside.length > 0 ? fromOutside : processes;
  return candidates.toSorted((a, b) => a.startTicks - b.startTicks || a.pid - b.pid)[0];
}

/**
 * How often a new process is looked at before it is taken for somebody else's. A runtime starts
 * what it executes in a container outside of it and then moves it in, which takes long on a busy
 * node.
 */
const LOOKS_AT_NEW_PROCESS = 3;

/**
 * Yields the processes that come into a container from outside after the look `last`, each group
 * with the children it has by then, until `signal` aborts.
 *
 * One of the container's own processes whose parent has ended is also taken for such where the
 * parent's heir is outside: in a pod that shares its processes' namespace, or the host's.
 */
export async function* enteredProcesses(
  procfs: Procfs,
  containerId: string,
  options: { last?: Look; pollIntervalMs: number; signal: AbortSignal },
): AsyncGenerator<number[]> {
  const { pollIntervalMs, signal } = options;
  let last = options.last;
  let inside = new Set(last?.processes.map(({ pid }) => pid));
  let lookedAt = new Map<number, number>();
  while (!signal.aborted) {
    const all = await procfs.pids();
    // Forget processes that have ended: another process may get the same id.
    inside = new Set(all.filter((pid) => inside.has(pid)));
    lookedAt = new Map(
      all.filter((pid) => !inside.has(pid)).map((pid) => [pid, (lookedAt.get(pid) ?? 0) + 1]),
    );
    const pids = [...lookedAt.keys()].filter((pid) => lookedAt.get(pid)! <= LOOKS_AT_NEW_PROCESS);
    const look = await lookAtContainer(procfs, containerId, { pids, depth: last?.depth });
    const entered = last ? fromOutside(look.processes, inside) : [];
    for (const { pid } of look.processes) inside.add(pid);
    last = look;
    if (signal.aborted) return;
    if (entered.length > 0) yield entered;
    await wait(pollIntervalMs, signal);
  }
}

/** Of processes new in a container, those whose parent is outside, and what they started. */
function fromOutside(added: readonly ContainerProcess[], inside: ReadonlySet<number>): number[] {
  const parentOf = new Map(added.map(({ pid, parentPid }) => [pid, parentPid]));
  function cameIn(pid: number): boolean {
    // Bounded, because processes that end meanwhile could make the parents a ring.
    for (let steps = 0; steps <= added.length; steps++) {
      const parent = parentOf.get(pid)!;
      if (inside.has(parent)) return false;
      if (!parentOf.has(parent)) return true;
      pid = parent;
    }
    return false;
  }
  return added.map(({ pid }) => pid).filter(cameIn);
}
