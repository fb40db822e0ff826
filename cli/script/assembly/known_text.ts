/**
 * AssemblyScript, not TypeScript: `scripts/assembly.ts` compiles it to WebAssembly, which compares
 * and searches 16 bytes in a step and is fast from its first call on. `cli/script/known_text.ts`
 * is its only caller and says what it is for.
 *
 * Nothing is allocated: all that is here has its place in the memory below. Places of the text are
 * addresses in it, as the text is at 0.
 */

// Behind the last byte of the text the caller puts a newline, so that no loop runs past it. What
// looks at 16 bytes at once may read more, which is there, and means nothing.
export const TEXT_BYTES: u32 = 256 * 1024;
const SLACK_BYTES: u32 = 64;

/** What was read: samples of 32 bytes each, and the numbers of their functions one after another. */
export const MAX_SAMPLES: u32 = 1024;
export const MAX_FRAMES: u32 = 64 * 1024;
const SAMPLE_BYTES: u32 = 32;
export const SAMPLES: u32 = TEXT_BYTES + SLACK_BYTES;
export const FRAMES: u32 = SAMPLES + MAX_SAMPLES * SAMPLE_BYTES;

// A table's entries are numbers above 0, of 16 bytes each; its slots have 8: a hash and an entry.
const ENTRY_BYTES: u32 = 16;
const SLOT_BYTES: u32 = 8;

const TAB: u32 = 0x09;
const NEWLINE: u32 = 0x0a;
const SPACE: u32 = 0x20;
const OPENING_PARENTHESIS: u32 = 0x28;
const CLOSING_PARENTHESIS: u32 = 0x29;
const PLUS: u32 = 0x2b;
const DOT: u32 = 0x2e;
const SLASH: u32 = 0x2f;
const ZERO: u32 = 0x30;
const COLON: u32 = 0x3a;
const OPENING_BRACKET: u32 = 0x5b;
const CLOSING_BRACKET: u32 = 0x5d;
const LOWER_A: u32 = 0x61;
const LOWER_X: u32 = 0x78;
const DELETE: u32 = 0x7f;

/** The longest name of a thread, in bytes. */
const MAX_COMMAND_BYTES: u32 = 15;
const MAX_THREAD_BYTES: u32 = 200;
/** Of a number that is exact. */
const MAX_DIGITS: u32 = 15;
const MAX_FRACTION_DIGITS: u32 = 9;
const MAX_ADDRESS_DIGITS: u32 = 16;

/** Numbers for strings of bytes. When it is full it forgets everything. */
@unmanaged
class Table {
  slots: u32;
  slotMask: u32;
  entries: u32;
  maxEntries: u32;
  text: u32;
  textBytes: u32;
  /** How many entries there are, and how much of the text is used. */
  count: u32;
  used: u32;
}

@unmanaged
class Entry {
  start: u32;
  length: u32;
  value: i32;
  /** Of a line, the one that followed it the last time, or 0. */
  follower: u32;
}

@unmanaged
class Slot {
  hash: u32;
  entry: u32;
}

@unmanaged
class Sample {
  event: i32;
  command: i32;
  hash: i32;
  depth: u32;
  timeSeconds: f64;
  /** 1 when the sample has no period. */
  weight: f64;
}

const TABLE_BYTES: u32 = 32;
const TABLES: u32 = FRAMES + MAX_FRAMES * 4;
export const COMMANDS: u32 = TABLES;
export const EVENTS: u32 = COMMANDS + TABLE_BYTES;
/** What is behind the event in samples of one line. */
export const ONLY_FRAMES: u32 = EVENTS + TABLE_BYTES;
/** Lines of stacks, from the tab to behind the newline. */
const LINES: u32 = ONLY_FRAMES + TABLE_BYTES;
/** Lines of stacks without the address and the offset. */
const FUNCTIONS: u32 = LINES + TABLE_BYTES;

let nextFree: u32 = FUNCTIONS + TABLE_BYTES;
let seed: u64 = 0;
let hashSeed: i32 = 0;

// What the header has that was read last. Entries are 0 when they are not known.
export let commandStart: u32 = 0;
export let commandEnd: u32 = 0;
export let commandEntry: u32 = 0;
export let eventStart: u32 = 0;
export let eventEnd: u32 = 0;
export let eventEntry: u32 = 0;
export let timeSeconds: f64 = 0;
/** The period; 1 when there is none. */
export let weight: f64 = 0;

/** How much was read; the caller sets it to 0 when it has taken that. */
export let framesUsed: u32 = 0;
export let samplesUsed: u32 = 0;
/** How many of the samples had an empty line behind them. */
export let emptyLines: u32 = 0;

/** Of the stack that is read. */
let previousLine: u32 = 0;
let stackHash: i32 = 0;

function makeTable(at: u32, maxEntries: u32, textBytes: u32): void {
  const table = changetype<Table>(at);
  table.maxEntries = maxEntries;
  table.slotMask = maxEntries * 2 - 1;
  table.textBytes = textBytes;
  table.slots = nextFree;
  table.entries = table.slots + maxEntries * 2 * SLOT_BYTES;
  table.text = table.entries + maxEntries * ENTRY_BYTES;
  nextFree = table.text + ((textBytes + 2 * SLACK_BYTES) & ~(SLACK_BYTES - 1));
}

/** Call it once, before everything else, with random numbers. */
export function start(randomSeed: u64, stackHashSeed: i32): void {
  // Names that were chosen to have the same hash make it slow at most, and so differ by run.
  seed = randomSeed;
  hashSeed = stackHashSeed;
  makeTable(COMMANDS, 1 << 10, 16 << 10);
  makeTable(EVENTS, 1 << 8, 16 << 10);
  makeTable(ONLY_FRAMES, 1 << 14, 1 << 20);
  makeTable(LINES, 1 << 17, 12 << 20);
  makeTable(FUNCTIONS, 1 << 15, 3 << 20);
}

function entryOf(table: u32, entry: u32): Entry {
  return changetype<Entry>(changetype<Table>(table).entries + entry * ENTRY_BYTES);
}

export function valueOf(table: u32, entry: u32): i32 {
  return entryOf(table, entry).value;
}

/** The `length` bytes at `at`, fewer than 8, as a number. */
function fewBytes(at: u32, length: u32): u64 {
  return length === 0 ? 0 : load<u64>(at) << (64 - 8 * (length as u64));
}

function mix(hash: u64, word: u64): u64 {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 32);
}

function hashOf(start: u32, end: u32, before: u64): u64 {
  // Two words at a time, neither of which waits for the other.
  let even = before ^ (end - start);
  let odd = ~before;
  let at = start;
  for (; at + 16 <= end; at += 16) {
    even = mix(even, load<u64>(at));
    odd = mix(odd, load<u64>(at + 8));
  }
  if (at + 8 <= end) {
    even = mix(even, load<u64>(at));
    at += 8;
  }
  return mix(mix(odd, fewBytes(at, end - at)), even);
}

function isEqual(one: u32, other: u32, length: u32): bool {
  if (length < 16) {
    if (length < 8) return fewBytes(one, length) === fewBytes(other, length);
    return load<u64>(one) === load<u64>(other) &&
      load<u64>(one + length - 8) === load<u64>(other + length - 8);
  }
  // The last 16 bytes may be compared twice, which is less work than one by one.
  const last = one + length - 16;
  const distance = other - one;
  for (let at = one; at < last; at += 16) {
    if (v128.any_true(v128.xor(v128.load(at), v128.load(at + distance)))) return false;
  }
  return !v128.any_true(v128.xor(v128.load(last), v128.load(last + distance)));
}

/** Where the slot is that has the bytes from `start` to `middle` and from `rest` to `end`, or free. */
function slotOf(at: u32, start: u32, middle: u32, rest: u32, end: u32): Slot {
  const table = changetype<Table>(at);
  const hash = hashOf(rest, end, hashOf(start, middle, seed));
  const length = middle - start + (end - rest);
  let slot = hash as u32;
  while (true) {
    const found = changetype<Slot>(table.slots + (slot++ & table.slotMask) * SLOT_BYTES);
    if (found.entry === 0) {
      found.hash = hash as u32;
      return found;
    }
    if (found.hash !== hash as u32) continue;
    const entry = entryOf(at, found.entry);
    if (
      entry.length === length && isEqual(start, entry.start, middle - start) &&
      isEqual(rest, entry.start + (middle - start), end - rest)
    ) return found;
  }
}

function findParts(table: u32, start: u32, middle: u32, rest: u32, end: u32): u32 {
  return slotOf(table, start, middle, rest, end).entry;
}

function forget(at: u32): void {
  const table = changetype<Table>(at);
  memory.fill(table.slots, 0, (table.slotMask + 1) * SLOT_BYTES);
  table.count = 0;
  table.used = 0;
  if (at === LINES) {
    memory.fill(table.entries, 0, table.maxEntries * ENTRY_BYTES);
    previousLine = 0;
  }
}

/** Adds bytes to the free slot where they belong. Returns 0 when they are too many. */
function addTo(
  free: Slot,
  at: u32,
  start: u32,
  middle: u32,
  rest: u32,
  end: u32,
  value: i32,
): u32 {
  const table = changetype<Table>(at);
  const length = middle - start + (end - rest);
  if (length > table.textBytes) return 0;
  if (table.count + 1 === table.maxEntries || table.used + length > table.textBytes) {
    forget(at);
    free = slotOf(at, start, middle, rest, end);
  }
  const number = ++table.count;
  const entry = entryOf(at, number);
  entry.start = table.text + table.used;
  entry.length = length;
  entry.value = value;
  memory.copy(entry.start, start, middle - start);
  memory.copy(entry.start + (middle - start), rest, end - rest);
  table.used += length;
  free.entry = number;
  return number;
}

/** The entry of the bytes from `start` to before `end`, or 0. */
export function find(table: u32, start: u32, end: u32): u32 {
  return findParts(table, start, end, end, end);
}

/** Adds bytes that {@linkcode find} did not find. Returns 0 when they are too many. */
export function add(table: u32, start: u32, end: u32, value: i32): u32 {
  return addTo(slotOf(table, start, end, end, end), table, start, end, end, end, value);
}

/** Where the next newline is. */
function findNewline(start: u32): u32 {
  let at = start;
  while (true) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(NEWLINE as i8)));
    if (found) return at + ctz(found);
    at += 16;
  }
}

function isDigit(byte: u32): bool {
  return byte - ZERO < 10;
}

function isHexDigit(byte: u32): bool {
  return byte - ZERO < 10 || byte - LOWER_A < 6;
}

function isPrintable(byte: u32): bool {
  return byte - SPACE < DELETE - SPACE;
}

function skipDigits(at: u32): u32 {
  while (isDigit(load<u8>(at))) at++;
  return at;
}

function skipSpaces(at: u32): u32 {
  while (load<u8>(at) === SPACE) at++;
  return at;
}

/** The digits from `start` to before `end` as a number, with `number` before them. */
function numberOf(start: u32, end: u32, number: u64): u64 {
  for (let at = start; at < end; at++) number = number * 10 + (load<u8>(at) - ZERO);
  return number;
}

/** `latest`, if that is what the bytes are, or what else they are. */
function findAgain(table: u32, latest: u32, start: u32, end: u32): u32 {
  if (latest) {
    const entry = entryOf(table, latest);
    if (entry.length === end - start && isEqual(start, entry.start, end - start)) return latest;
  }
  return find(table, start, end);
}

/**
 * Reads the first line of a sample, `comm pid/tid [cpu] time: period event:` in ASCII, of which the
 * processor and the period may be missing. Returns where the colon behind the event is, or 0 for
 * any other line. `parseHeader` says the same of what it does read.
 */
export function readHeader(start: u32): u32 {
  // The line ends with a byte that is neither a digit nor printable, so that no loop leaves it.
  const nameStart = skipSpaces(start);
  let at = nameStart;
  let nameEnd = at;
  // The name ends before the first word that begins with a digit.
  for (;; at++) {
    const byte: u32 = load<u8>(at);
    if (byte === SPACE) continue;
    if (at > nameStart && isDigit(byte) && load<u8>(at - 1) === SPACE) break;
    if (!isPrintable(byte)) return 0;
    nameEnd = at + 1;
  }
  if (nameEnd - nameStart > MAX_COMMAND_BYTES) return 0;
  at = skipDigits(at);
  if (load<u8>(at) !== SLASH) return 0;
  const thread = at + 1;
  at = skipDigits(thread);
  if (at === thread || load<u8>(at) !== SPACE) return 0;
  at = skipSpaces(at);
  if (load<u8>(at) === OPENING_BRACKET) {
    const cpu = at + 1;
    at = skipDigits(cpu);
    if (at === cpu || load<u8>(at) !== CLOSING_BRACKET || load<u8>(at + 1) !== SPACE) return 0;
    at = skipSpaces(at + 1);
  }
  const whole = at;
  const point = skipDigits(whole);
  if (point === whole || load<u8>(point) !== DOT) return 0;
  at = skipDigits(point + 1);
  const decimals = at - point - 1;
  if (decimals === 0 || decimals > MAX_FRACTION_DIGITS || decimals + (point - whole) > MAX_DIGITS) {
    return 0;
  }
  if (load<u8>(at) !== COLON || load<u8>(at + 1) !== SPACE) return 0;
  at++;
  // Had the name room for all this, it might be a part of it.
  if (at - nameStart <= MAX_COMMAND_BYTES || at - start > MAX_THREAD_BYTES) return 0;
  // The quotient of two numbers that are exact is the number next to the decimal one.
  let divisor: f64 = 1;
  for (let digits: u32 = 0; digits < decimals; digits++) divisor *= 10;
  const time = (numberOf(point + 1, point + 1 + decimals, numberOf(whole, point, 0)) as f64) /
    divisor;
  at = skipSpaces(at);
  const period = at;
  at = skipDigits(period);
  let count: f64 = 1;
  if (at > period) {
    if (at - period > MAX_DIGITS || load<u8>(at) !== SPACE) return 0;
    count = numberOf(period, at, 0) as f64;
    at = skipSpaces(at);
  }
  const event = at;
  if (load<u8>(at) === COLON) return 0;
  for (;; at++) {
    const byte: u32 = load<u8>(at);
    if (!isPrintable(byte)) return 0;
    if (byte !== COLON) continue;
    const next: u32 = load<u8>(at + 1);
    if (next === SPACE || next === NEWLINE) break;
  }
  commandStart = nameStart;
  commandEnd = nameEnd;
  commandEntry = findAgain(COMMANDS, commandEntry, nameStart, nameEnd);
  eventStart = event;
  eventEnd = at;
  eventEntry = findAgain(EVENTS, eventEntry, event, at);
  timeSeconds = time;
  weight = count;
  return at;
}

/** Where the parenthesis before the file's name is, in a line that ends with one; or 0. */
function findFile(start: u32, end: u32): u32 {
  let depth = 0;
  for (let at = end - 1; at >= start; at--) {
    const byte: u32 = load<u8>(at);
    if (byte === CLOSING_PARENTHESIS) depth++;
    else if (byte === OPENING_PARENTHESIS && --depth === 0) {
      return load<u8>(at - 1) === SPACE ? at : 0;
    }
  }
  return 0;
}

function isUnknownFile(file: u32): bool {
  // "[unknown", in the order in which it is loaded.
  return load<u64>(file + 1) === 0x6e776f6e6b6e755b;
}

// The parts of a line that tell which function it is: its name, and its file with a space before.
let nameStart: u32 = 0;
let nameEnd: u32 = 0;
let fileStart: u32 = 0;
let fileEnd: u32 = 0;

/**
 * Finds these parts in the line of a stack from `start` to before `end`, in which they are next to
 * each other but for an offset. False when the line has them not, or more is to be told by.
 */
function readFunction(start: u32, end: u32): bool {
  const address = skipSpaces(start + 1);
  let at = address;
  while (isHexDigit(load<u8>(at))) at++;
  const digits = at - address;
  if (digits === 0 || digits > MAX_ADDRESS_DIGITS || load<u8>(at) !== SPACE) return false;
  nameStart = at + 1;
  fileEnd = end;
  if (load<u8>(end - 1) !== CLOSING_PARENTHESIS) return false;
  const file = findFile(nameStart, end);
  if (file <= nameStart) return false;
  // Without a file, the kernel's functions are told by the address.
  if (digits === MAX_ADDRESS_DIGITS && isUnknownFile(file)) return false;
  fileStart = file - 1;
  nameEnd = fileStart;
  at = fileStart;
  while (at > nameStart && isHexDigit(load<u8>(at - 1))) at--;
  const offsetDigits = fileStart - at;
  if (
    offsetDigits > 0 && offsetDigits <= MAX_ADDRESS_DIGITS && at >= nameStart + 3 &&
    load<u8>(at - 1) === LOWER_X && load<u8>(at - 2) === ZERO && load<u8>(at - 3) === PLUS
  ) nameEnd = at - 3;
  return true;
}

/** Begins a stack: what is behind its first line will be looked for again when that line is. */
export function beginStack(): void {
  previousLine = 0;
}

function follow(line: u32): void {
  entryOf(LINES, previousLine).follower = line;
  previousLine = line;
}

/** Adds a line of a stack, from its tab to behind its newline, and makes it the stack's latest. */
export function addLine(start: u32, next: u32, frame: i32): void {
  const end = next - 1;
  if (readFunction(start, end)) {
    const slot = slotOf(FUNCTIONS, nameStart, nameEnd, fileStart, fileEnd);
    if (!slot.entry) addTo(slot, FUNCTIONS, nameStart, nameEnd, fileStart, fileEnd, frame);
  }
  if (find(LINES, start, next)) return;
  const line = add(LINES, start, next, frame);
  if (line) follow(line);
}

/**
 * Reads lines of a stack from `start` on, as long as they are known, or their functions are, and
 * whole before `limit`, and appends their functions to those that were read. Returns where the next
 * line starts.
 */
export function readLines(start: u32, limit: u32): u32 {
  let at = start;
  while (at < limit && load<u8>(at) === TAB && framesUsed < MAX_FRAMES) {
    // perf prints the same line for the same address. What follows a line mostly is what followed
    // it the last time: its caller.
    let line = entryOf(LINES, previousLine).follower;
    let entry = entryOf(LINES, line);
    if (
      line && at + entry.length <= limit && isEqual(at, entry.start, entry.length)
    ) {
      previousLine = line;
    } else {
      const end = findNewline(at);
      if (end >= limit) break;
      const slot = slotOf(LINES, at, end + 1, end + 1, end + 1);
      line = slot.entry;
      if (!line) {
        if (!readFunction(at, end)) break;
        const known = findParts(FUNCTIONS, nameStart, nameEnd, fileStart, fileEnd);
        if (!known) break;
        const frame = valueOf(FUNCTIONS, known);
        line = addTo(slot, LINES, at, end + 1, end + 1, end + 1, frame);
        if (!line) break;
      }
      entry = entryOf(LINES, line);
      follow(line);
    }
    store<i32>(FRAMES + framesUsed * 4, entry.value);
    framesUsed++;
    stackHash = mixed(stackHash, entry.value);
    at += entry.length;
  }
  return at;
}

/** As `stack_counter.ts` does it. */
function mixed(before: i32, value: i32): i32 {
  const hash = ((before ^ value) as u32) * 0x9e3779b1;
  return (hash ^ (hash >> 15)) as i32;
}

/**
 * Reads whole samples from `start` on, as long as all of each is known and before `limit`, and
 * appends them to those that were read. Returns where the first one starts that is not.
 */
export function readSamples(start: u32, limit: u32): u32 {
  let at = start;
  while (at < limit && samplesUsed < MAX_SAMPLES) {
    const colon = readHeader(at);
    if (!colon || !commandEntry || !eventEntry) break;
    let next = colon + 1;
    if (load<u8>(next) === SPACE) next++;
    const firstFrame = framesUsed;
    let hasEmptyLine: u32 = 0;
    stackHash = hashSeed;
    if (load<u8>(next) === NEWLINE) {
      previousLine = 0;
      next = readLines(next + 1, limit);
      hasEmptyLine = 1;
    } else {
      next = readOnlyFrame(colon + 1);
    }
    // An empty line ends a sample, or that of one line its end.
    if (next === 0 || next >= limit || load<u8>(next) !== NEWLINE) {
      framesUsed = firstFrame;
      break;
    }
    const sample = changetype<Sample>(SAMPLES + samplesUsed * SAMPLE_BYTES);
    sample.event = valueOf(EVENTS, eventEntry);
    sample.command = valueOf(COMMANDS, commandEntry);
    sample.hash = stackHash;
    sample.depth = framesUsed - firstFrame;
    sample.timeSeconds = timeSeconds;
    sample.weight = weight;
    samplesUsed++;
    emptyLines += hasEmptyLine;
    at = next + 1;
  }
  return at;
}

/** Reads what is behind an event, if it is a frame that is known. Returns where it ends, or 0. */
function readOnlyFrame(start: u32): u32 {
  const end = findNewline(start);
  const entry = find(ONLY_FRAMES, start, end);
  if (!entry || framesUsed === MAX_FRAMES) return 0;
  const frame = valueOf(ONLY_FRAMES, entry);
  if (frame < 0) return 0;
  store<i32>(FRAMES + framesUsed * 4, frame);
  framesUsed++;
  stackHash = mixed(stackHash, frame);
  return end;
}
