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
export const TEXT_BYTES: u32 = 128 * 1024;
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
const FIRST_SLOTS: u32 = 1 << 9;

// Whole lines of stacks, each in the one place that some of its bytes say: so few of them that they
// fit the processor's cache.
const LINES: u32 = 4096;
const LINE_BYTES: u32 = 128;
const LINE_HEAD: u32 = 16;
const MAX_LINE_TEXT_BYTES: u32 = LINE_BYTES - LINE_HEAD;

// Stacks are counted in a table of their own, at most half full.
const MAX_STACKS: u32 = 1 << 15;
const STACK_SLOTS: u32 = 2 * MAX_STACKS;
const STACK_BYTES: u32 = 40;
const MAX_STACK_FRAMES: u32 = 1 << 20;

// What threads' samples begin with, by some of it.
const THREADS: u32 = 64;
const THREAD_HEAD: u32 = 16;
const MAX_THREAD_TEXT_BYTES: u32 = 64;
const THREAD_BYTES: u32 = THREAD_HEAD + MAX_THREAD_TEXT_BYTES;
const MAX_PERIOD_TEXT_BYTES: u32 = 128;

const TAB: u32 = 0x09;
const NEWLINE: u32 = 0x0a;
const SPACE: u32 = 0x20;
const OPENING_PARENTHESIS: u32 = 0x28;
const CLOSING_PARENTHESIS: u32 = 0x29;
const DOT: u32 = 0x2e;
const SLASH: u32 = 0x2f;
const ZERO: u32 = 0x30;
const COLON: u32 = 0x3a;
const OPENING_BRACKET: u32 = 0x5b;
const CLOSING_BRACKET: u32 = 0x5d;
const LOWER_A: u32 = 0x61;
const DELETE: u32 = 0x7f;

/** The longest name of a thread, in bytes. */
const MAX_COMMAND_BYTES: u32 = 15;
const MAX_THREAD_BYTES: u32 = 200;
/** Of a number that is exact. */
const MAX_DIGITS: u32 = 15;
const MAX_FRACTION_DIGITS: u32 = 9;
const MAX_ADDRESS_DIGITS: u32 = 16;

/**
 * Numbers for strings of bytes. When it is full it forgets everything. At most half of its slots are
 * used, and there are no more than that takes, as the processor's cache is small.
 */
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
  hash: u32;
}

@unmanaged
class Slot {
  hash: u32;
  entry: u32;
}

/** A line, whose text is behind this, and its function. */
@unmanaged
class Line {
  length: u32;
  frame: i32;
  /** Whether it was there again since another line was to have its place. */
  wasThere: u32;
}

/** A stack that is known, with what was counted of it since the caller took that. */
@unmanaged
class Stack {
  weight: f64;
  hash: i32;
  event: i32;
  command: i32;
  /** Where its functions are, and how many. */
  frames: u32;
  depth: u32;
  /** The caller's number for it. */
  id: i32;
  samples: u32;
}

/** What the first lines of a thread's samples have before the time, and behind this. */
@unmanaged
class Thread {
  length: u32;
  nameStart: u32;
  nameEnd: u32;
  commandEntry: u32;
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
/** Lines of stacks without the address and the offset. */
const FUNCTIONS: u32 = ONLY_FRAMES + TABLE_BYTES;
/** The same of what has an address of the kernel's and no file. */
const KERNEL_FUNCTIONS: u32 = FUNCTIONS + TABLE_BYTES;
/** Lines of stacks that have another form. */
const OTHER_LINES: u32 = KERNEL_FUNCTIONS + TABLE_BYTES;

const THREADS_START: u32 = OTHER_LINES + TABLE_BYTES;
const PERIOD_TEXT: u32 = THREADS_START + THREADS * THREAD_BYTES;
const LINES_START: u32 = PERIOD_TEXT + MAX_PERIOD_TEXT_BYTES + SLACK_BYTES;
/** Stacks' numbers, one above their index, or 0. */
const STACK_SLOTS_START: u32 = LINES_START + LINES * LINE_BYTES;
const STACKS: u32 = STACK_SLOTS_START + STACK_SLOTS * 4;
const STACK_FRAMES: u32 = STACKS + MAX_STACKS * STACK_BYTES;

let nextFree: u32 = STACK_FRAMES + MAX_STACK_FRAMES * 4 + SLACK_BYTES;
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
let stackHash: i32 = 0;

/** How many stacks are known, and how much of the room for their functions is used. */
export let stackCount: u32 = 0;
let stackFramesUsed: u32 = 0;

/** How much of {@linkcode PERIOD_TEXT} is used, and what it says. */
let periodTextBytes: u32 = 0;
let periodWeight: f64 = 0;
let periodEventStart: u32 = 0;
let periodEventEntry: u32 = 0;

/** The times of all samples that were counted here. */
export let startSeconds: f64 = Infinity;
export let endSeconds: f64 = -Infinity;

function makeTable(at: u32, maxEntries: u32, textBytes: u32): void {
  const table = changetype<Table>(at);
  table.maxEntries = maxEntries;
  table.slotMask = FIRST_SLOTS - 1;
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
  makeTable(FUNCTIONS, 1 << 17, 12 << 20);
  makeTable(KERNEL_FUNCTIONS, 1 << 8, 64 << 10);
  makeTable(OTHER_LINES, 1 << 14, 1 << 20);
  if (nextFree > (memory.size() as u32) << 16) unreachable();
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
  // Whatever the length is, the same is done: a processor that guesses wrong loses more than that.
  let left = length;
  for (; left > 64; left -= 64) {
    if (equals(one, other) !== ~(0 as u64)) return false;
    one += 64;
    other += 64;
  }
  return left === 0 || ~equals(one, other) << (64 - left as u64) === 0;
}

/** Which of 64 bytes are the same, a bit for each. */
function equals(one: u32, other: u32): u64 {
  return bits(
    i8x16.eq(v128.load(one), v128.load(other)),
    i8x16.eq(v128.load(one + 16), v128.load(other + 16)),
    i8x16.eq(v128.load(one + 32), v128.load(other + 32)),
    i8x16.eq(v128.load(one + 48), v128.load(other + 48)),
  );
}

/** A bit of each byte, the first one's the lowest. */
function bits(first: v128, second: v128, third: v128, fourth: v128): u64 {
  return (i8x16.bitmask(first) as u64) | (i8x16.bitmask(second) as u64) << 16 |
    (i8x16.bitmask(third) as u64) << 32 | (i8x16.bitmask(fourth) as u64) << 48;
}

function slotAt(table: Table, slot: u32): Slot {
  return changetype<Slot>(table.slots + (slot & table.slotMask) * SLOT_BYTES);
}

/** The entry of the bytes from `start` to `middle` and from `rest` to `end`, or 0. */
function findParts(at: u32, start: u32, middle: u32, rest: u32, end: u32): u32 {
  const table = changetype<Table>(at);
  const hash = hashOf(rest, end, hashOf(start, middle, seed)) as u32;
  const length = middle - start + (end - rest);
  let next = hash;
  while (true) {
    const slot = slotAt(table, next++);
    if (slot.entry === 0) return 0;
    if (slot.hash !== hash) continue;
    const entry = entryOf(at, slot.entry);
    if (
      entry.length === length && isEqual(start, entry.start, middle - start) &&
      isEqual(rest, entry.start + (middle - start), end - rest)
    ) return slot.entry;
  }
}

/** Adds what `findParts` did not find. Returns 0 when it is too long. */
function addParts(at: u32, start: u32, middle: u32, rest: u32, end: u32, value: i32): u32 {
  const table = changetype<Table>(at);
  const length = middle - start + (end - rest);
  if (length > table.textBytes) return 0;
  if (table.count + 1 === table.maxEntries || table.used + length > table.textBytes) forget(at);
  if ((table.count + 1) * 2 > table.slotMask) addSlots(at);
  const number = ++table.count;
  const entry = entryOf(at, number);
  entry.start = table.text + table.used;
  entry.length = length;
  entry.value = value;
  entry.hash = hashOf(rest, end, hashOf(start, middle, seed)) as u32;
  memory.copy(entry.start, start, middle - start);
  memory.copy(entry.start + (middle - start), rest, end - rest);
  table.used += length;
  putIntoSlot(table, entry.hash, number);
  return number;
}

function putIntoSlot(table: Table, hash: u32, entry: u32): void {
  let next = hash;
  while (slotAt(table, next).entry !== 0) next++;
  const slot = slotAt(table, next);
  slot.hash = hash;
  slot.entry = entry;
}

function addSlots(at: u32): void {
  const table = changetype<Table>(at);
  table.slotMask = 2 * table.slotMask + 1;
  memory.fill(table.slots, 0, (table.slotMask + 1) * SLOT_BYTES);
  for (let number: u32 = 1; number <= table.count; number++) {
    putIntoSlot(table, entryOf(at, number).hash, number);
  }
}

function forget(at: u32): void {
  const table = changetype<Table>(at);
  memory.fill(table.slots, 0, (table.slotMask + 1) * SLOT_BYTES);
  table.count = 0;
  table.used = 0;
  // They have entries of it.
  memory.fill(THREADS_START, 0, THREADS * THREAD_BYTES);
  periodTextBytes = 0;
}

/** The entry of the bytes from `start` to before `end`, or 0. */
export function find(table: u32, start: u32, end: u32): u32 {
  return findParts(table, start, end, end, end);
}

/** Adds bytes that {@linkcode find} did not find. Returns 0 when they are too many. */
export function add(table: u32, start: u32, end: u32, value: i32): u32 {
  return addParts(table, start, end, end, end, value);
}

/** Which of the 64 bytes at `at` are this one, a bit for each. */
function places(at: u32, byte: u32): u64 {
  const bytes = i8x16.splat(byte as i8);
  return bits(
    i8x16.eq(v128.load(at), bytes),
    i8x16.eq(v128.load(at + 16), bytes),
    i8x16.eq(v128.load(at + 32), bytes),
    i8x16.eq(v128.load(at + 48), bytes),
  );
}

/** Where the next newline is. */
function findNewline(start: u32): u32 {
  let at = start;
  while (true) {
    const found = places(at, NEWLINE);
    if (found) return at + (ctz(found) as u32);
    at += 64;
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

/** The digits from `start` to before `end` as a number. */
function numberOf(start: u32, end: u32): u64 {
  let number: u64 = 0;
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
  const thread = threadAt(start);
  let time = start;
  if (
    thread.length > 0 && isDigit(load<u8>(start + thread.length)) &&
    isEqual(start, changetype<u32>(thread) + THREAD_HEAD, thread.length)
  ) {
    time += thread.length;
    commandStart = start + thread.nameStart;
    commandEnd = start + thread.nameEnd;
    commandEntry = thread.commandEntry;
  } else {
    time = readThread(start);
    if (!time) return 0;
    const length = time - start;
    if (commandEntry && length <= MAX_THREAD_TEXT_BYTES) {
      thread.length = length;
      thread.nameStart = commandStart - start;
      thread.nameEnd = commandEnd - start;
      thread.commandEntry = commandEntry;
      memory.copy(changetype<u32>(thread) + THREAD_HEAD, start, length);
    }
  }
  const colon = readTime(time);
  if (!colon) return 0;
  // Had the name room for all this, it might be a part of it.
  if (colon + 1 - commandStart <= MAX_COMMAND_BYTES || colon + 1 - start > MAX_THREAD_BYTES) {
    return 0;
  }
  if (periodTextBytes > 0 && isEqual(colon, PERIOD_TEXT, periodTextBytes)) {
    weight = periodWeight;
    eventEntry = periodEventEntry;
    eventStart = colon + periodEventStart;
    eventEnd = colon + periodTextBytes - 2;
    return eventEnd;
  }
  const end = readEvent(colon + 1);
  if (!end) return 0;
  // With the byte behind the colon behind the event.
  const length = end + 2 - colon;
  if (eventEntry && length <= MAX_PERIOD_TEXT_BYTES) {
    periodTextBytes = length;
    periodWeight = weight;
    periodEventStart = eventStart - colon;
    periodEventEntry = eventEntry;
    memory.copy(PERIOD_TEXT, colon, length);
  }
  return end;
}

/** Where the thread is kept that a sample may be of, by its name and number. */
function threadAt(start: u32): Thread {
  const slashes = i8x16.bitmask(i8x16.eq(v128.load(start), i8x16.splat(SLASH as i8)));
  const slash = start + (slashes ? ctz(slashes) : 16);
  const hash = mix(mix(seed, load<u64>(start)), load<u64>(slash + 1));
  return changetype<Thread>(THREADS_START + (hash as u32 & (THREADS - 1)) * THREAD_BYTES);
}

/** Reads what is before the time. Returns where that begins, with a digit, or 0. */
function readThread(start: u32): u32 {
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
  if (!isDigit(load<u8>(at))) return 0;
  commandStart = nameStart;
  commandEnd = nameEnd;
  commandEntry = findAgain(COMMANDS, commandEntry, nameStart, nameEnd);
  return at;
}

/** Reads the time. Returns where the colon is behind it, or 0. */
function readTime(start: u32): u32 {
  let digits: u64 = 0;
  let at = start;
  let byte: u32 = 0;
  while (isDigit(byte = load<u8>(at))) {
    digits = digits * 10 + (byte - ZERO);
    at++;
  }
  if (at === start || byte !== DOT) return 0;
  const point = at++;
  // The quotient of two numbers that are exact is the number next to the decimal one.
  let divisor: f64 = 1;
  while (isDigit(byte = load<u8>(at))) {
    digits = digits * 10 + (byte - ZERO);
    divisor *= 10;
    at++;
  }
  const decimals = at - point - 1;
  if (decimals === 0 || decimals > MAX_FRACTION_DIGITS || at - start - 1 > MAX_DIGITS) return 0;
  if (byte !== COLON || load<u8>(at + 1) !== SPACE) return 0;
  timeSeconds = (digits as f64) / divisor;
  return at;
}

/** Reads period and event. Returns where the colon is behind them, or 0. */
function readEvent(start: u32): u32 {
  const period = skipSpaces(start);
  let at = skipDigits(period);
  let count: f64 = 1;
  if (at > period) {
    if (at - period > MAX_DIGITS || load<u8>(at) !== SPACE) return 0;
    count = numberOf(period, at) as f64;
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
  eventStart = event;
  eventEnd = at;
  eventEntry = findAgain(EVENTS, eventEntry, event, at);
  weight = count;
  return at;
}

/** Which of the 16 bytes at `at` are digits of hexadecimal numbers, as perf prints them. */
function hexDigits(at: u32): u32 {
  const bytes = v128.load(at);
  return i8x16.bitmask(v128.or(
    i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(ZERO as i8)), i8x16.splat(10)),
    i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(LOWER_A as i8)), i8x16.splat(6)),
  ));
}

/** Where the parenthesis before the file's name is, in a line that ends with one; or 0. */
function findFile(start: u32, end: u32): u32 {
  // Mostly it is the last one, near the end. Of what is looked at, these are of the line:
  const base = end > 64 ? end - 64 : 0;
  let ours = ~(0 as u64) >> (64 - (end - base) as u64);
  if (start > base) ours &= ~(0 as u64) << (start - base as u64);
  const opening = places(base, OPENING_PARENTHESIS) & ours;
  const closing = places(base, CLOSING_PARENTHESIS) & ours;
  if (opening) {
    const file = 63 - clz(opening);
    // Between the two there is no other one.
    if (popcnt(closing >> file) === 1) return spaceBefore(base + (file as u32));
  }
  let depth = 0;
  for (let at = end - 1; at >= start; at--) {
    const byte: u32 = load<u8>(at);
    if (byte === CLOSING_PARENTHESIS) depth++;
    else if (byte === OPENING_PARENTHESIS && --depth === 0) return spaceBefore(at);
  }
  return 0;
}

function spaceBefore(at: u32): u32 {
  return load<u8>(at - 1) === SPACE ? at : 0;
}

function isUnknownFile(file: u32): bool {
  // "[unknown", in the order in which it is loaded.
  return load<u64>(file + 1) === 0x6e776f6e6b6e755b;
}

/** Whether the 16 digits there are an address of the kernel's, as `sample.ts` says it. */
function isKernelAddress(digits: u32): bool {
  // It begins with ffff and a digit from 8 on, and not with ten times f.
  const first = load<u32>(digits);
  const fifth: u32 = load<u8>(digits + 4);
  return first === 0x66666666 && fifth >= ZERO + 8 &&
    !(load<u64>(digits) === 0x6666666666666666 && load<u16>(digits + 8) === 0x6666);
}

// The parts of a line that tell which function it is: its name, and its file with a space before.
let nameStart: u32 = 0;
let nameEnd: u32 = 0;
let fileStart: u32 = 0;
let fileEnd: u32 = 0;

/**
 * Finds these parts in the line of a stack from `start` to before `end`, in which they are next to
 * each other but for an offset. Returns the table that the function belongs in, or 0 when the line
 * has them not.
 */
function readFunction(start: u32, end: u32): u32 {
  const digits = readAddress(start);
  if (!digits || load<u8>(end - 1) !== CLOSING_PARENTHESIS) return 0;
  const file = findFile(nameStart, end);
  if (file <= nameStart) return 0;
  fileStart = file - 1;
  fileEnd = end;
  const base = fileStart > 16 ? fileStart - 16 : 0;
  const offsetDigits = clz(~(hexDigits(base) << (32 - (fileStart - base))));
  const offset = fileStart - offsetDigits;
  // "+0x", in the order in which it is loaded, behind another byte.
  const isOffset = offsetDigits > 0 && offset >= nameStart + 3 &&
    load<u32>(offset - 4) >> 8 === 0x78302b;
  nameEnd = isOffset ? offset - 3 : fileStart;
  return digits === 16 && isUnknownFile(file) && isKernelAddress(nameStart - 17)
    ? KERNEL_FUNCTIONS
    : FUNCTIONS;
}

/** Reads the address, behind which the name starts. Returns how many digits it has; 0 for none. */
function readAddress(start: u32): u32 {
  // perf fills 16 places.
  const found = hexDigits(start + 1);
  const spaces = i8x16.bitmask(i8x16.eq(v128.load(start + 1), i8x16.splat(SPACE as i8)));
  if (
    found > 0 && found + spaces === 0xffff && (spaces & (spaces + 1)) === 0 &&
    load<u8>(start + 17) === SPACE
  ) {
    nameStart = start + 18;
    return popcnt(found);
  }
  const address = skipSpaces(start + 1);
  let at = address;
  while (isHexDigit(load<u8>(at))) at++;
  nameStart = at + 1;
  return load<u8>(at) === SPACE && at - address <= MAX_ADDRESS_DIGITS ? at - address : 0;
}

/** Adds a line of a stack, from its tab to behind its newline. */
export function addLine(start: u32, next: u32, frame: i32): void {
  const end = next - 1;
  const table = readFunction(start, end);
  if (!table) {
    if (!find(OTHER_LINES, start, end)) add(OTHER_LINES, start, end, frame);
  } else if (!findParts(table, nameStart, nameEnd, fileStart, fileEnd)) {
    addParts(table, nameStart, nameEnd, fileStart, fileEnd, frame);
  }
}

/**
 * Reads lines of a stack from `start` on, as long as their functions are known and they are whole
 * before `limit`, and appends the functions to those that were read. Returns where the next line
 * starts.
 */
export function readLines(start: u32, limit: u32): u32 {
  let at = start;
  while (at < limit && load<u8>(at) === TAB && framesUsed < MAX_FRAMES) {
    const kept = lineAt(at);
    const text = changetype<u32>(kept) + LINE_HEAD;
    let frame: i32;
    if (kept.length > 0 && at + kept.length <= limit && isEqual(at, text, kept.length)) {
      frame = kept.frame;
      at += kept.length;
      kept.wasThere = 1;
    } else {
      const end = findNewline(at);
      if (end >= limit) break;
      let table = readFunction(at, end);
      let entry: u32;
      if (table) {
        entry = findParts(table, nameStart, nameEnd, fileStart, fileEnd);
      } else {
        table = OTHER_LINES;
        entry = find(OTHER_LINES, at, end);
      }
      if (!entry) break;
      frame = valueOf(table, entry);
      keep(kept, at, end + 1, frame);
      at = end + 1;
    }
    store<i32>(FRAMES + framesUsed * 4, frame);
    framesUsed++;
    stackHash = mixed(stackHash, frame);
  }
  return at;
}

/** Gives a line the place, unless the one that has it was there again. */
function keep(kept: Line, start: u32, next: u32, frame: i32): void {
  if (kept.wasThere) {
    kept.wasThere = 0;
  } else if (next - start <= MAX_LINE_TEXT_BYTES) {
    kept.length = next - start;
    kept.frame = frame;
    const text = changetype<u32>(kept) + LINE_HEAD;
    for (let part: u32 = 0; part < MAX_LINE_TEXT_BYTES; part += 16) {
      v128.store(text + part, v128.load(start + part));
    }
  }
}

/** Where a line is kept, by the end of its address and the start of its name. */
function lineAt(start: u32): Line {
  const hash = (load<u64>(start + 9) * 0x9e3779b97f4a7c15 ^ load<u64>(start + 17)) *
    0xff51afd7ed558ccd;
  return changetype<Line>(LINES_START + ((hash >> 40) as u32 & (LINES - 1)) * LINE_BYTES);
}

/** As `stack_counter.ts` does it. */
function mixed(before: i32, value: i32): i32 {
  const hash = ((before ^ value) as u32) * 0x9e3779b1;
  return (hash ^ (hash >> 15)) as i32;
}

function sampleOf(index: u32): Sample {
  return changetype<Sample>(SAMPLES + index * SAMPLE_BYTES);
}

function stackOf(index: u32): Stack {
  return changetype<Stack>(STACKS + index * STACK_BYTES);
}

/** Where the number of a stack may be. */
function stackSlot(slot: u32): u32 {
  return STACK_SLOTS_START + (slot & (STACK_SLOTS - 1)) * 4;
}

/** Where the stack is that a stack of these functions is, or 0. */
function findStack(hash: i32, event: i32, command: i32, frames: u32, depth: u32): u32 {
  let slot = hash as u32;
  while (true) {
    const number = load<u32>(stackSlot(slot++));
    if (number === 0) return 0;
    const stack = stackOf(number - 1);
    if (
      stack.hash === hash && stack.event === event && stack.command === command &&
      stack.depth === depth && isEqual(stack.frames, frames, depth * 4)
    ) return changetype<u32>(stack);
  }
}

/**
 * Adds the stack of one of the samples that were read, whose functions are from `firstFrame` on.
 * False when there is no room; then there is when what was counted is taken and `forgetStacks`
 * called.
 */
export function addStack(index: u32, firstFrame: u32, id: i32): bool {
  const sample = sampleOf(index);
  const hash = sample.hash;
  const event = sample.event;
  const command = sample.command;
  const depth = sample.depth;
  const frames = FRAMES + firstFrame * 4;
  if (findStack(hash, event, command, frames, depth)) return true;
  if (stackCount === MAX_STACKS || stackFramesUsed + depth > MAX_STACK_FRAMES) return false;
  const stack = stackOf(stackCount);
  stack.hash = hash;
  stack.event = event;
  stack.command = command;
  stack.frames = STACK_FRAMES + stackFramesUsed * 4;
  stack.depth = depth;
  stack.id = id;
  stack.samples = 0;
  stack.weight = 0;
  memory.copy(stack.frames, frames, depth * 4);
  stackFramesUsed += depth;
  let slot = hash as u32;
  while (load<u32>(stackSlot(slot)) !== 0) slot++;
  store<u32>(stackSlot(slot), ++stackCount);
  return true;
}

// Of the stacks that are known, by their index.

export function stackId(index: u32): i32 {
  return stackOf(index).id;
}

export function samplesOf(index: u32): f64 {
  return stackOf(index).samples as f64;
}

export function weightOf(index: u32): f64 {
  return stackOf(index).weight;
}

/** Makes room for other stacks. */
export function forgetStacks(): void {
  memory.fill(STACK_SLOTS_START, 0, STACK_SLOTS * 4);
  stackCount = 0;
  stackFramesUsed = 0;
}

/**
 * Reads whole samples from `start` on, as long as all of each is known and before `limit`. Counts
 * those whose stack is known, and appends the others to those that were read. Returns where the
 * first one starts that is not known.
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
    const event = valueOf(EVENTS, eventEntry);
    const command = valueOf(COMMANDS, commandEntry);
    const depth = framesUsed - firstFrame;
    const hash = mixed(mixed(stackHash, event), command);
    const stack = findStack(hash, event, command, FRAMES + firstFrame * 4, depth);
    if (stack) {
      const known = changetype<Stack>(stack);
      known.samples++;
      known.weight += weight;
      if (timeSeconds < startSeconds) startSeconds = timeSeconds;
      if (timeSeconds > endSeconds) endSeconds = timeSeconds;
      framesUsed = firstFrame;
    } else {
      const sample = sampleOf(samplesUsed);
      sample.event = event;
      sample.command = command;
      sample.hash = hash;
      sample.depth = depth;
      sample.timeSeconds = timeSeconds;
      sample.weight = weight;
      samplesUsed++;
    }
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
