import { Column } from "./column.ts";

/** No stack: what a stack of one function goes on from. */
export const NO_STACK = -1;

const FIRST_SLOTS = 1 << 10;

/**
 * Stacks as a tree: each is a function on top of another stack. Stacks are numbered in the order in
 * which they came, and take some 20 bytes each.
 */
export class StackTree {
  /** By stack: the stack below its function, or `NO_STACK`. */
  readonly prefixes = new Column((length) => new Int32Array(length));
  /** By stack: its function. */
  readonly frames = new Column((length) => new Int32Array(length));
  /** Open addressing, at most half full: 0, or one more than a stack. */
  #slots = new Int32Array(FIRST_SLOTS);

  /** The stack of a function on top of another stack; a new one, unless it is known. */
  stackOf(prefix: number, frame: number): number {
    let slot = this.#slotOf(prefix, frame);
    if (this.#slots[slot] !== 0) return this.#slots[slot] - 1;
    const stack = this.frames.length;
    this.prefixes.push(prefix);
    this.frames.push(frame);
    if (2 * (stack + 1) > this.#slots.length) {
      this.#grow();
      slot = this.#slotOf(prefix, frame);
    }
    this.#slots[slot] = stack + 1;
    return stack;
  }

  /** Where a stack is, or the free slot where it belongs. */
  #slotOf(prefix: number, frame: number): number {
    const slots = this.#slots;
    let hash = Math.imul(prefix, 0x9e3779b1) ^ Math.imul(frame, 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = hash & (slots.length - 1);
    for (; slots[slot] !== 0; slot = (slot + 1) & (slots.length - 1)) {
      const stack = slots[slot] - 1;
      if (this.prefixes.at(stack) === prefix && this.frames.at(stack) === frame) break;
    }
    return slot;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Int32Array(2 * before.length);
    for (const entry of before) {
      if (entry === 0) continue;
      this.#slots[this.#slotOf(this.prefixes.at(entry - 1), this.frames.at(entry - 1))] = entry;
    }
  }
}
