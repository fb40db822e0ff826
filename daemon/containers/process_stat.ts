/** What `/proc/<pid>/stat` says of a process, as far as it is used here. */
export interface ProcessStat {
  parentPid: number;
  /** When it started, in clock ticks since the system did. */
  startTicks: number;
  /** Time on processors, in clock ticks. */
  cpuTicks: number;
  /** Whether its first thread is on a processor, or waits for one. */
  runnable: boolean;
  /** Whether all of it has ended and only its parent has not noticed yet. */
  ended: boolean;
}

/**
 * Reads a `/proc/<pid>/stat` file (proc_pid_stat(5)); undefined when it is not of that form.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * const text = "7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 4 3 0 0 20 0 1 0 123 0 0\n";
 * assert.deepEqual(parseProcessStat(text), {
 *   parentPid: 1,
 *   startTicks: 123,
 *   cpuTicks: 7,
 *   runnable: false,
 *   ended: false,
 * });
 * ```
 */
export function parseProcessStat(text: string): ProcessStat | undefined {
  // The second field is the program's name in parentheses, and a name may hold any character. None
  // of the fields after it can hold a parenthesis.
  const nameEnd = text.lastIndexOf(") ");
  if (nameEnd < 0) return undefined;
  const fields = text.slice(nameEnd + 2).trimEnd().split(" ");
  const field = (number: number) => fields[number - 3];
  const numbers = [4, 14, 15, 20, 22].map((number) => Number(field(number)));
  if (!numbers.every(Number.isSafeInteger)) return undefined;
  const [parentPid, userTicks, systemTicks, threads, startTicks] = numbers;
  // A process whose first thread has ended is a zombie as well, while its other threads work on.
  const ended = ["Z", "X", "x"].includes(field(3)) && threads <= 1;
  const cpuTicks = userTicks + systemTicks;
  return { parentPid, startTicks, cpuTicks, runnable: field(3) === "R", ended };
}
