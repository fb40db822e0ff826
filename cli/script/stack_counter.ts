import { mixed } from "./known_text.ts";
import type { EventProfile, Frame, Stack, StackProfile } from "./stack_profile.ts";

/** Counts samples by their stack, in memory that grows with the number of different stacks. */
interface StackCounter {
  /** The number of a function, which stays the same. */
  frameId(frame: Frame): number;
  commandId(command: string): number;
  eventId(event: string): number;
  /**
   * Counts a sample whose stack is the first `depth` functions in `frames`, the leaf first. Returns
   * the number of the stack.
   */
  count(
    frames: Int32Array,
    depth: number,
    eventId: number,
    commandId: number,
    weight: number,
    exactWeight: bigint | undefined,
  ): number;
  /** Says that a part of a stack's weight is of idle threads. */
  addIdle(stack: number, weight: number): void;
  /** What was counted. */
  finish(): Pick<StackProfile, "frames" | "events" | "samples">;
}

/** How many functions' numbers are allocated at a time. */
const ROOM_LENGTH = 1 << 14;

export function createStackCounter(): StackCounter {
  const frames: Frame[] = [];
  const events: EventProfile[] = [];
  const commands: string[] = [];
  let samples = 0;
  let countedFrames = 0;
  const frameIds = new Map<string, number>();
  const commandIds = new Map<string, number>();
  const eventIds = new Map<string, number>();

  const stacks: Stack[] = [];
  const room = createRoom();
  /** What distinguishes stacks besides their frames, by stack. */
  let hashes = new Int32Array(1024);
  let owners = new Int32Array(2 * 1024);
  /** Open addressing, at most half full: 0, or one more than the stack's index. */
  let slots = new Int32Array(2 * 1024);
  const seed = crypto.getRandomValues(new Int32Array(1))[0];

  function intern(ids: Map<string, number>, key: string, add: () => number): number {
    let id = ids.get(key);
    if (id === undefined) ids.set(key, id = add() - 1);
    return id;
  }

  function grow(): void {
    hashes = grown(hashes);
    owners = grown(owners);
    slots = new Int32Array(2 * hashes.length);
    for (let index = 0; index < stacks.length; index++) {
      let slot = hashes[index] & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = index + 1;
    }
  }

  /** The number of the stack, which is added if it is new. */
  function findStack(
    leafFirst: Int32Array,
    depth: number,
    eventId: number,
    commandId: number,
  ): number {
    let hash = mixed(mixed(seed, eventId), commandId);
    for (let at = 0; at < depth; at++) hash = mixed(hash, leafFirst[at]);
    const mask = slots.length - 1;
    let slot = hash & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const index = slots[slot] - 1;
      if (
        hashes[index] === hash && owners[2 * index] === eventId &&
        owners[2 * index + 1] === commandId && isStack(stacks[index].frames, leafFirst, depth)
      ) return index;
    }
    const own = room.take(depth);
    for (let at = 0; at < depth; at++) own[at] = leafFirst[depth - 1 - at];
    const stack = { command: commands[commandId], frames: own, samples: 0, weight: 0 };
    const count = stacks.push(stack);
    events[eventId].stacks.push(stack);
    hashes[count - 1] = hash;
    owners[2 * count - 2] = eventId;
    owners[2 * count - 1] = commandId;
    slots[slot] = count;
    if (count === hashes.length) grow();
    return count - 1;
  }

  return {
    frameId: (frame) =>
      intern(
        frameIds,
        `${frame.symbol}\n${frame.dso}${frame.kernel ? "\n" : ""}`,
        () => frames.push(frame),
      ),
    commandId: (command) => intern(commandIds, command, () => commands.push(command)),
    eventId: (event) =>
      intern(eventIds, event, () => events.push({ event, stacks: [], samples: 0, weight: 0 })),
    count(leafFirst, depth, eventId, commandId, weight, exactWeight) {
      const index = findStack(leafFirst, depth, eventId, commandId);
      const stack = stacks[index];
      const event = events[eventId];
      stack.samples++;
      event.samples++;
      addWeight(stack, weight, exactWeight);
      addWeight(event, weight, exactWeight);
      samples++;
      countedFrames = frames.length;
      return index;
    },
    addIdle(index, weight) {
      const stack = stacks[index];
      stack.idleWeight = (stack.idleWeight ?? 0) + weight;
    },
    finish() {
      return {
        frames: frames.slice(0, countedFrames),
        events: events.filter((event) => event.samples > 0),
        samples,
      };
    },
  };
}

/** Adds to a sum, which gets an exact one beside it when a number cannot hold all of its digits. */
function addWeight(
  sum: { weight: number; exactWeight?: bigint },
  weight: number,
  exactWeight: bigint | undefined,
): void {
  const rounded = sum.weight + weight;
  if (rounded > Number.MAX_SAFE_INTEGER) {
    sum.exactWeight = (sum.exactWeight ?? BigInt(sum.weight)) + (exactWeight ?? BigInt(weight));
    sum.weight = Number(sum.exactWeight);
  } else sum.weight = rounded;
}

/** Memory for many short arrays: one of its own takes each of them more than most stacks need. */
function createRoom() {
  let free = new Uint32Array(ROOM_LENGTH);
  return {
    take(length: number): Uint32Array {
      if (length > free.length) free = new Uint32Array(Math.max(length, ROOM_LENGTH));
      const taken = free.subarray(0, length);
      free = free.subarray(length);
      return taken;
    },
  };
}

/** Whether a stack, from the root on, is the first `depth` functions, from the leaf on. */
function isStack(rootFirst: Uint32Array, leafFirst: Int32Array, depth: number): boolean {
  if (rootFirst.length !== depth) return false;
  for (let at = 0, other = depth - 1; at < depth; at++, other--) {
    if (rootFirst[at] !== leafFirst[other]) return false;
  }
  return true;
}

function grown(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(2 * array.length);
  copy.set(array);
  return copy;
}
