import { isKernelAddress } from "./frame_kind.ts";
import { frameKind } from "./frame_kind.ts";
import type { SampleFrame } from "./sample.ts";
import type { Frame } from "./stack_profile.ts";

/** Reads a line of a stack, `address symbol+offset (dso)`. Returns undefined for any other line. */
export function parseFrame(line: string): SampleFrame | undefined {
  // A space follows the address, and never a tab: that is an instruction of a branch stack.
  const match = /^\s*([0-9a-f]{1,16})(?: (.*))?$/s.exec(line);
  if (!match) return undefined;
  const [, address, rest = ""] = match;
  const dsoStart = findDso(rest);
  const dso = dsoStart === -1 ? "" : rest.slice(dsoStart + 1, -1);
  const name = dsoStart === -1 ? rest : rest.slice(0, Math.max(dsoStart - 1, 0));
  const offset = /\+0x([0-9a-f]{1,16})$/.exec(name);
  const symbol = offset ? name.slice(0, offset.index) : name;
  return {
    address: BigInt(`0x${address}`),
    symbol: symbol.trim() || "[unknown]",
    offset: offset ? Number.parseInt(offset[1], 16) : undefined,
    // perf 6.4 and later print the offset in the file when they are asked for it.
    dso: dso.replace(/\+0x[0-9a-f]{1,16}$/, ""),
  };
}

/**
 * Reads a line of a stack that is indented with spaces: text that was copied from a terminal has
 * them for perf's tab. An address alone does not distinguish such a line from perf's others.
 */
export function parseCopiedFrame(line: string): SampleFrame | undefined {
  // Two spaces are how perf indents a line of source code, unless the address takes all 16 places.
  if (/^ {2}(?! )(?![0-9a-f]{16} )/.test(line)) return undefined;
  return /^ +[0-9a-f]{1,16} .*(\)|\+0x[0-9a-f]+)$/s.test(line) ? parseFrame(line) : undefined;
}

/** A number that something follows. That of an address is 16 places wide, with spaces before it. */
const NUMBER = / *(?<=^|\s)[0-9a-f]{1,16} (?=\S)/g;
const ADDRESS_LENGTH = 16;

/**
 * Where perf's further fields begin, after the instruction's address: registers, branches, the
 * instruction, its length, the physical address, sizes of pages.
 */
const FURTHER =
  /\s*(?: ABI:\d+ .*| *0x[0-9a-f]+(?:\(.*?\))?\/0x.*| \S+\/\S+\/[PMN-]\/[X-]\/[A-]\/.*| (?:ilen|insn):.*|[ 0-9a-f]{16}(?: (?:N\/A|\d+[KMG]))*|\tIPC:.*|(?: (?:N\/A|\d+[KMG])){1,2})\s*$/s;

/**
 * Reads what follows the event where there is no call graph: the instruction's address is the last
 * one that has a symbol or a file after it. Before it may be the address of the data, with what it
 * is of. Returns undefined when there is none, such as for the text of a tracepoint.
 */
export function parseOnlyFrame(rest: string): SampleFrame | undefined {
  const text = rest.trimEnd().replace(FURTHER, "");
  let last: RegExpExecArray | undefined;
  for (const match of text.matchAll(NUMBER)) {
    if (match[0].length > ADDRESS_LENGTH) last = match;
  }
  if (!last || !/(\)|\+0x[0-9a-f]+|\[unknown\])$/.test(text)) return undefined;
  return parseFrame(text.slice(last.index));
}

/** The function that a line of a stack is in. A perf without the kernel's symbols names no file. */
export function toFrame({ address, symbol, dso }: SampleFrame): Frame {
  if (!isKernelAddress(address)) return { symbol, dso };
  if (dso === "[unknown]") return { symbol, dso: "[kernel]" };
  const frame = { symbol, dso };
  return dso === "inlined" || frameKind(frame) === "kernel" ? frame : { ...frame, kernel: true };
}

/**
 * The place of the parenthesis before the file's name, or -1. Both the function's and the file's
 * name may have spaces and parentheses in them: `f(int) const (/bin/f (deleted))`.
 */
function findDso(text: string): number {
  if (!text.endsWith(")")) return -1;
  let depth = 0;
  for (let at = text.length - 1; at >= 0; at--) {
    if (text[at] === ")") depth++;
    if (text[at] === "(" && --depth === 0) {
      if (at === 0 || text[at - 1] === " ") return at;
      break;
    }
  }
  const last = text.lastIndexOf(" (");
  // The parentheses at the end are the function's own, as in `f(int)`; or they do not match.
  return depth === 0 || last === -1 ? -1 : last + 1;
}
