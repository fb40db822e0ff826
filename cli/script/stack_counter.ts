import type { EventProfile, Frame, Stack, StackProfile } from "./stack_profile.ts";

/** Counts samples by their stack, in memory that grows with the number of different stacks. */
export interface StackCounter {
  /** The number of a function, which stays the same. */
  frameId(frame: Frame): number;
  commandId(command: string): number;
  eventId(event: string): number;
  /** Adds a function to the stack of the sample that comes next, the leaf first. */
  push(frameId: number): void;
  /** Counts that sample, and begins the next. */
  count(eventId: number, commandId: number, weight: number): void;
  /**
   * Counts a sample whose stack is `depth` functions in `frames`, from `start` on, the leaf first.
   * `hash` is what {@linkcode mixed} makes of them, one after the other, the event and the command,
   * out of {@linkcode hashSeed}. Returns the number of the stack, which stays the same.
   */
  countStack(
    frames: Int32Array,
    start: number,
    depth: number,
    hash: number,
    eventId: number,
    commandId: number,
    weight: number,
  ): number;
  /** Counts further samples of a stack by its number. */
  countAgain(stackId: number, samples: number, weight: number): void;
  readonly hashSeed: number;
  /** What was counted, without what came behind. */
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
  /** What tells the stacks apart besides their frames, by stack. */
  let hashes = new Int32Array(1024);
  let owners = new Int32Array(2 * 1024);
  /** Open addressing, at most half full: 0, or one more than the stack's index. */
  let slots = new Int32Array(2 * 1024);
  const seed = crypto.getRandomValues(new Int32Array(1))[0];

  let open = new Int32Array(1024);
  let openDepth = 0;
  let openHash = seed;

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
    frames: Int32Array,
    start: number,
    depth: number,
    hash: number,
    eventId: number,
    commandId: number,
  ): number {
    const mask = slots.length - 1;
    let slot = hash & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const index = slots[slot] - 1;
      if (
        hashes[index] === hash && owners[2 * index] === eventId &&
        owners[2 * index + 1] === commandId && isStack(stacks[index].frames, frames, start, depth)
      ) return index;
    }
    const own = room.take(depth);
    for (let at = 0; at < depth; at++) own[at] = frames[start + depth - 1 - at];
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

  const countStack: StackCounter["countStack"] = (
    leafFirst,
    start,
    depth,
    hash,
    eventId,
    commandId,
    weight,
  ) => {
    const stackId = findStack(leafFirst, start, depth, hash, eventId, commandId);
    countAgain(stackId, 1, weight);
    countedFrames = frames.length;
    return stackId;
  };

  function countAgain(stackId: number, more: number, weight: number): void {
    const stack = stacks[stackId];
    const event = events[owners[2 * stackId]];
    stack.samples += more;
    stack.weight += weight;
    event.samples += more;
    event.weight += weight;
    samples += more;
  }

  return {
    frameId: ({ symbol, dso }) =>
      intern(frameIds, `${symbol}\n${dso}`, () => frames.push({ symbol, dso })),
    commandId: (command) => intern(commandIds, command, () => commands.push(command)),
    eventId: (event) =>
      intern(eventIds, event, () => events.push({ event, stacks: [], samples: 0, weight: 0 })),
    push(frameId) {
      if (openDepth === open.length) open = grown(open);
      open[openDepth++] = frameId;
      openHash = mixed(openHash, frameId);
    },
    count(eventId, commandId, weight) {
      const hash = mixed(mixed(openHash, eventId), commandId);
      countStack(open, 0, openDepth, hash, eventId, commandId, weight);
      openDepth = 0;
      openHash = seed;
    },
    countStack,
    countAgain,
    hashSeed: seed,
    finish() {
      return {
        frames: frames.slice(0, countedFrames),
        events: events.filter((event) => event.samples > 0),
        samples,
      };
    },
  };
}

/** A hash of what `hash` is of and a number more. `assembly/known_text.ts` has the same. */
export function mixed(hash: number, value: number): number {
  hash = Math.imul(hash ^ value, 0x9e3779b1);
  return hash ^ (hash >>> 15);
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

/** Whether a stack, from the root on, is the `depth` functions from `start` on, from the leaf on. */
function isStack(rootFirst: Uint32Array, leafFirst: Int32Array, start: number, depth: number) {
  if (rootFirst.length !== depth) return false;
  for (let at = 0, other = start + depth - 1; at < depth; at++, other--) {
    if (rootFirst[at] !== leafFirst[other]) return false;
  }
  return true;
}

function grown(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(2 * array.length);
  copy.set(array);
  return copy;
}
