/**
 * What perf prints besides a sample's first line and its stack, when it is asked for further
 * fields; `grammar.md` has each.
 */
const EXTRA_LINES = [
  // srcline: `  file:line`, `  dso[address]`
  /^ {2}\S.*(:\d+|(?<=\S)\[[0-9a-f]+\])( .*)?$/,
  // srccode
  /^\|\d+ /,
  // iregs, uregs, and what follows them
  /^ (ABI:\d+ |\s*[A-Za-z][A-Za-z0-9_]*:0x[0-9a-f]+ )/,
  // brstack, brstackoff, brstacksym
  /^\s*0x[0-9a-f]+(\(.*\))?\/0x[0-9a-f]+/,
  /^ ?(?!.*: ).*\/[PMN-]\/[X-]\/[A-]\/\d+/,
  // brstackinsn and its likes
  /^\t[0-9a-f]{16}(\t|$)/,
  /^\t\S.*:(\t.*)?$/,
  /^\t\.\.\. not reaching sample \.\.\./,
  /^\t(block [0-9a-f]+-|cannot (resolve|fetch code) |brstack does not reach )/,
  // insn, insnlen
  /^ (insn:|ilen: )/,
  // phys_addr, data_page_size, code_page_size
  /^\s*[0-9a-f]{1,16}( (N\/A|\d+[KMG]))*$/,
  /^ (N\/A|\d+[KMG])( (N\/A|\d+[KMG]))?$/,
  // bpf-output
  /^ {6}BPF (output|string):|^ {17} [0-9a-f]{4}: /,
  // ipc
  /^\t ?IPC: /,
];

/** How a record of a thread's new name ends, when that has a newline in it. */
export const COMM_RECORD_END = /:-?\d+\/-?\d+$/;

/** Says whether perf prints such a line besides a sample's stack. */
export function isExtraLine(line: string): boolean {
  const trimmed = line.trimEnd();
  return EXTRA_LINES.some((pattern) => pattern.test(trimmed) || pattern.test(line));
}
