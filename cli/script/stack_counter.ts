import type { EventProfile, Frame, Stack, StackProfile } from "./stack_profile.ts";

/** Counts samples by their stack, in memory that grows with the number of different stacks. */
export interface StackCounter {
  /** The number of a function, which stays the same. */
  frameId(frame: Frame): number;
  commandId(command: string): number;
  eventId(event: string): number;
  /** Adds a function to the stack of the sample that comes next, the leaf first. */
  push(frameId: number): void;
  /** Counts the stack once, begins the next, and returns the number of the one that it counted. */
  count(eventId: number, commandId: number, weight: number): number;
  /** Counts once more what {@linkcode count} counted before. */
  countAgain(stack: number, weight: number): void;
  /** Whether a stack was counted with this event and command. */
  isOf(stack: number, eventId: number, commandId: number): boolean;
  /** What was counted, without what came behind. */
  finish(): Pick<StackProfile, "frames" | "events" | "samples">;
}

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
  /** What tells the stacks apart besides their frames, by stack. */
  let hashes = new Int32Array(1024);
  let owners = new Int32Array(2 * 1024);
  /** Open addressing, at most half full: 0, or one more than the stack's index. */
  let slots = new Int32Array(2 * 1024);
  const seed = crypto.getRandomValues(new Int32Array(1))[0];

  let open = new Uint32Array(1024);
  let depth = 0;
  let hash = seed;

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

  function isOpen({ frames }: Stack): boolean {
    if (frames.length !== depth) return false;
    for (let at = 0; at < depth; at++) {
      if (frames[at] !== open[depth - 1 - at]) return false;
    }
    return true;
  }

  /** The stack that is open, which is added if it is new. */
  function findStack(eventId: number, commandId: number): number {
    const full = mixed(mixed(hash, eventId), commandId);
    const mask = slots.length - 1;
    let slot = full & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const index = slots[slot] - 1;
      if (hashes[index] === full && isOf(index, eventId, commandId) && isOpen(stacks[index])) {
        return index;
      }
    }
    const stack = {
      command: commands[commandId],
      frames: open.slice(0, depth).reverse(),
      samples: 0,
      weight: 0,
    };
    const count = stacks.push(stack);
    events[eventId].stacks.push(stack);
    hashes[count - 1] = full;
    owners[2 * count - 2] = eventId;
    owners[2 * count - 1] = commandId;
    slots[slot] = count;
    if (count === hashes.length) grow();
    return count - 1;
  }

  function isOf(stack: number, eventId: number, commandId: number): boolean {
    return owners[2 * stack] === eventId && owners[2 * stack + 1] === commandId;
  }

  function countAgain(index: number, weight: number): void {
    const stack = stacks[index];
    const event = events[owners[2 * index]];
    stack.samples++;
    stack.weight += weight;
    event.samples++;
    event.weight += weight;
    samples++;
  }

  return {
    frameId: ({ symbol, dso }) =>
      intern(frameIds, `${symbol}\n${dso}`, () => frames.push({ symbol, dso })),
    commandId: (command) => intern(commandIds, command, () => commands.push(command)),
    eventId: (event) =>
      intern(eventIds, event, () => events.push({ event, stacks: [], samples: 0, weight: 0 })),
    push(frameId) {
      if (depth === open.length) open = grown(open);
      open[depth++] = frameId;
      hash = mixed(hash, frameId);
    },
    count(eventId, commandId, weight) {
      const stack = findStack(eventId, commandId);
      countAgain(stack, weight);
      countedFrames = frames.length;
      depth = 0;
      hash = seed;
      return stack;
    },
    countAgain,
    isOf,
    finish() {
      return {
        frames: frames.slice(0, countedFrames),
        events: events.filter((event) => event.samples > 0),
        samples,
      };
    },
  };
}

function mixed(hash: number, value: number): number {
  hash = Math.imul(hash ^ value, 0x9e3779b1);
  return hash ^ (hash >>> 15);
}

function grown<T extends Int32Array | Uint32Array>(array: T): T {
  const copy = new (array.constructor as new (length: number) => T)(2 * array.length);
  copy.set(array);
  return copy;
}
