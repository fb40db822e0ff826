import type { Frame } from "./stack_profile.ts";

/**
 * Functions of Go's scheduler (`runtime/proc.go`) in which a thread waits for a goroutine that it
 * could run, and the one that looks after the others. A goroutine that waits for the network, a
 * channel or a lock is on no thread's stack: its thread has gone here.
 */
const PARKED = /^runtime\.(stopm|netpoll|sysmon|templateThread)(\.abi0)?$/;

/**
 * Says of each function whether a thread that is blocked in it, or in what it calls, has nothing to
 * do.
 */
export function findParked(frames: readonly Frame[]): boolean[] {
  return frames.map(({ symbol, kernel }) => !kernel && PARKED.test(symbol));
}
