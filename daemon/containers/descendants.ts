import { type Procfs, readEach } from "./procfs.ts";

/** The process and everything it started that still runs, ascending; empty when it has ended. */
export async function processAndDescendants(procfs: Procfs, pid: number): Promise<number[]> {
  const stats = await readEach(await procfs.pids(), (pid) => procfs.stat(pid));
  const children = new Map<number, number[]>();
  for (const [child, { parentPid, ended }] of stats) {
    if (ended) continue;
    const siblings = children.get(parentPid);
    if (siblings) siblings.push(child);
    else children.set(parentPid, [child]);
  }
  const first = stats.get(pid);
  if (!first || first.ended) return [];
  const found = new Set([pid]);
  // A set's iteration goes on over what is added meanwhile.
  for (const parent of found) {
    for (const child of children.get(parent) ?? []) found.add(child);
  }
  return [...found].sort((a, b) => a - b);
}
