/**
 * Reads the first lines of samples where they are in a buffer, as far as they have the usual form.
 * What it does not read is left to `parseHeader`, which says the same of what it does read.
 */
export interface HeaderReader {
  /** Whether it read the line. What follows is of the line that was read last. */
  read(start: number, end: number): boolean;
  commandStart: number;
  commandEnd: number;
  timeSeconds: number;
  /** Undefined when the line has none. */
  period: number | undefined;
  eventStart: number;
  /** Behind it is the colon. */
  eventEnd: number;
}

const SPACE = 0x20;
const SLASH = 0x2f;
const DOT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const OPENING = 0x5b;
const CLOSING = 0x5d;
const DELETE = 0x7f;

/** The longest name of a thread, in bytes. */
const MAX_COMMAND_LENGTH = 15;
const MAX_THREAD_LENGTH = 200;

/** The usual form is `comm pid/tid [cpu] time: period event:`, in ASCII; cpu may be missing. */
export function createHeaderReader(buffer: Uint8Array): HeaderReader {
  // A line ends with a byte that is neither a digit nor printable, so that no loop leaves it.
  let at = 0;

  /** The whole number at `at`, with `number` before it; NaN if it is none or not exact. */
  function readNumber(number: number): number {
    const start = at;
    while (isDigit(buffer[at])) number = number * 10 + buffer[at++] - ZERO;
    return at > start && number <= Number.MAX_SAFE_INTEGER ? number : NaN;
  }

  function skip(byte: number): boolean {
    return buffer[at++] === byte;
  }

  function skipSpaces(): boolean {
    const start = at;
    while (buffer[at] === SPACE) at++;
    return at > start;
  }

  function skipNumber(): boolean {
    const start = at;
    while (isDigit(buffer[at])) at++;
    return at > start;
  }

  return {
    commandStart: 0,
    commandEnd: 0,
    timeSeconds: 0,
    period: undefined,
    eventStart: 0,
    eventEnd: 0,
    read(start, end) {
      at = start;
      skipSpaces();
      this.commandStart = at;
      this.commandEnd = at;
      // The name ends before the first word that begins with a digit.
      for (; at === this.commandStart || buffer[at - 1] !== SPACE || !isDigit(buffer[at]); at++) {
        if (!isPrintable(buffer[at])) return false;
        if (buffer[at] !== SPACE) this.commandEnd = at + 1;
      }
      if (this.commandEnd - this.commandStart > MAX_COMMAND_LENGTH) return false;
      if (!skipNumber() || !skip(SLASH) || !skipNumber() || !skipSpaces()) return false;
      if (buffer[at] === OPENING) {
        at++;
        if (!skipNumber() || !skip(CLOSING) || !skipSpaces()) return false;
      }
      const whole = readNumber(0);
      if (!skip(DOT)) return false;
      const point = at;
      // The quotient of two numbers that are exact is the number next to the decimal one.
      this.timeSeconds = readNumber(whole) / 10 ** (at - point);
      if (Number.isNaN(this.timeSeconds) || at - point > 9 || !skip(COLON)) return false;
      // Had the name room for all this, it might be a part of it.
      if (at - this.commandStart <= MAX_COMMAND_LENGTH || at - start > MAX_THREAD_LENGTH) {
        return false;
      }
      if (!skipSpaces()) return false;
      this.period = undefined;
      if (isDigit(buffer[at])) {
        this.period = readNumber(0);
        if (Number.isNaN(this.period) || !skipSpaces()) return false;
      }
      this.eventStart = at;
      if (buffer[at] === COLON) return false;
      for (; buffer[at] !== COLON || (buffer[at + 1] !== SPACE && at + 1 < end); at++) {
        if (!isPrintable(buffer[at])) return false;
      }
      this.eventEnd = at;
      return true;
    },
  };
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte < COLON;
}

function isPrintable(byte: number): boolean {
  return byte >= SPACE && byte < DELETE;
}
