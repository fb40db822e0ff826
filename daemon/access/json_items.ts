const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = [0x7b, 0x5b];
const CLOSING = [0x7d, 0x5d];
const OPENING_BRACE = 0x7b;
const OPENING_BRACKET = 0x5b;
/** Comma, space, tab, line feed, carriage return. */
const BETWEEN = [0x2c, 0x20, 0x09, 0x0a, 0x0d];
/** `"items"` and all other names of a list's fields are shorter. */
const MAX_NAME_BYTES = 32;

/**
 * Reads a list as the Kubernetes API has it, `{"kind": ..., "items": [{...}, ...]}`, as it comes,
 * so that one item at a time is in memory. `add` and `end` throw a `SyntaxError` for what is not
 * such a list, or has an item that is too large.
 */
export class JsonItems {
  #depth = 0;
  #inString = false;
  #isEscaped = false;
  /** The last string of the list's own, which is a name when something opens after it. */
  #name: number[] = [];
  #inItems = false;
  #hasItems = false;
  #hasEnded = false;
  /** What has come of an item. */
  #parts: Uint8Array[] = [];
  #partsBytes = 0;

  /** `take` gets each item, parsed. */
  constructor(
    private readonly take: (item: unknown) => void,
    private readonly maxItemBytes: number,
  ) {}

  /** Takes more of the list's text. */
  add(chunk: Uint8Array): void {
    /** Where the item starts of which this chunk has something. */
    let start = this.#inItems && this.#depth > 2 ? 0 : -1;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at];
      if (this.#inString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#inString = false;
        if (this.#depth === 1 && this.#inString && this.#name.length < MAX_NAME_BYTES) {
          this.#name.push(byte);
        }
      } else if (byte === QUOTE) {
        if (this.#inItems && this.#depth === 2) throw new SyntaxError("an item is not an object");
        this.#inString = true;
        if (this.#depth === 1) this.#name = [];
      } else if (OPENING.includes(byte)) {
        if (this.#hasEnded || (this.#depth === 0 && byte !== OPENING_BRACE)) throw notAnObject();
        if (this.#depth === 1 && byte === OPENING_BRACKET) {
          this.#inItems = String.fromCharCode(...this.#name) === "items";
          this.#hasItems ||= this.#inItems;
        } else if (this.#inItems && this.#depth === 2) {
          start = at;
        }
        this.#depth++;
      } else if (CLOSING.includes(byte)) {
        if (this.#depth === 0) throw notAnObject();
        this.#depth--;
        if (this.#inItems && this.#depth === 2) {
          this.#keep(chunk.subarray(start, at + 1));
          this.#takeItem();
          start = -1;
        }
        if (this.#depth === 1) this.#inItems = false;
        if (this.#depth === 0) this.#hasEnded = true;
      } else if (this.#inItems && this.#depth === 2 && !BETWEEN.includes(byte)) {
        throw new SyntaxError("an item is not an object");
      }
    }
    if (start >= 0) this.#keep(chunk.slice(start));
  }

  /** Says that no more comes: a list that was cut off is none. */
  end(): void {
    if (!this.#hasEnded) throw new SyntaxError("it is not whole");
    if (!this.#hasItems) throw new SyntaxError("it has no items");
  }

  #keep(part: Uint8Array): void {
    this.#partsBytes += part.length;
    if (this.#partsBytes > this.maxItemBytes) throw new SyntaxError("an item is too large");
    this.#parts.push(part);
  }

  #takeItem(): void {
    const decoder = new TextDecoder();
    const text = this.#parts.map((part) => decoder.decode(part, { stream: true })).join("");
    this.#parts = [];
    this.#partsBytes = 0;
    const item: unknown = JSON.parse(text + decoder.decode());
    if (Array.isArray(item)) throw new SyntaxError("an item is not an object");
    this.take(item);
  }
}

function notAnObject(): SyntaxError {
  return new SyntaxError("it is not a JSON object");
}
