import assert from "node:assert/strict";
import { absoluteNames, RelativeNames } from "../../../daemon/perf/relative_names.ts";

const encoder = new TextEncoder();
const KERNEL = 1;
const USER = 2;
const MMAP = 1;
const MMAP2 = 10;

/** A record that ends with a file's name and what comes after that: the ids of the sample. */
function mmap(type: number, misc: number, name: string, trailer: number[] = []): Uint8Array {
  const nameBytes = encoder.encode(name);
  const nameOffset = type === MMAP2 ? 72 : 40;
  const nameEnd = nameOffset + Math.ceil((nameBytes.length + 1) / 8) * 8;
  const bytes = new Uint8Array(nameEnd + trailer.length);
  bytes.fill(7, 8, nameOffset);
  bytes.set(nameBytes, nameOffset);
  bytes.set(trailer, nameEnd);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint16(4, misc, true);
  view.setUint16(6, bytes.length, true);
  return bytes;
}

function record(type: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(9);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint16(4, USER, true);
  view.setUint16(6, length, true);
  return bytes;
}

const FILE_HEADER = (() => {
  const header = new Uint8Array(16);
  header.set(encoder.encode("PERFILE2"));
  new DataView(header.buffer).setBigUint64(8, 16n, true);
  return header;
})();

function rewritten(records: Uint8Array[], chunkBytes = Infinity): Uint8Array {
  const bytes = Buffer.concat([FILE_HEADER, ...records]);
  const names = new RelativeNames();
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    chunks.push(names.rewrite(bytes.subarray(at, at + chunkBytes)).slice());
  }
  return Buffer.concat(chunks);
}

Deno.test("RelativeNames: makes the names of files relative, whatever their length and the chunks", () => {
  const trailer = [1, 2, 3, 4, 5, 6, 7, 8];
  for (const type of [MMAP, MMAP2]) {
    // A name and its zeros take 8 bytes more or not.
    for (
      const name of ["/a", "/abcd", "/abcde", "/abcdef", "/abcdefg", "/proc/1/root/x (deleted)"]
    ) {
      const before = [record(9, 40), mmap(type, USER, name, trailer), record(9, 24)];
      const after = [record(9, 40), mmap(type, USER, `.${name}`, trailer), record(9, 24)];
      const whole = Buffer.concat([FILE_HEADER, ...after]);
      for (let size = 1; size <= 120; size++) {
        assert.deepEqual(rewritten(before, size), whole, `${type} ${name} in chunks of ${size}`);
      }
    }
  }
});

Deno.test("RelativeNames: leaves the kernel's files and memory without a file as they are", () => {
  const records = [
    mmap(MMAP2, KERNEL, "/lib/modules/6.1/x.ko"),
    mmap(MMAP, KERNEL, "[kernel.kallsyms]_text"),
    ...[
      "[vdso]",
      "[heap]",
      "//anon",
      "/dev/zero (deleted)",
      "/anon_hugepage (deleted)",
      "/SYSV0001",
    ]
      .map((name) => mmap(MMAP2, USER, name)),
    record(3, 24),
  ];
  assert.deepEqual(rewritten(records), Buffer.concat([FILE_HEADER, ...records]));
});

Deno.test("RelativeNames: takes a name as long as a path can be, and one that no zero ends", () => {
  const long = `/${"x".repeat(4094)}`;
  assert.deepEqual(
    rewritten([mmap(MMAP2, USER, long)]),
    Buffer.concat([FILE_HEADER, mmap(MMAP2, USER, `.${long}`)]),
  );
  const endless = mmap(MMAP2, USER, "/abcdefg").subarray(0, 80);
  new DataView(endless.buffer).setUint16(6, 80, true);
  assert.deepEqual(
    rewritten([endless]),
    Buffer.concat([FILE_HEADER, mmap(MMAP2, USER, "./abcdefg")]),
  );
});

/** A mapping of a file by a process. */
function mappingOf(pid: number, name: string, file = 1n): Uint8Array {
  const bytes = mmap(MMAP2, USER, name);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, pid, true);
  view.setUint32(12, pid, true);
  view.setBigUint64(48, file, true);
  return bytes;
}

/** The processes of the mappings in a stream, in turn. */
function pidsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const pids: number[] = [];
  for (let at = 16; at < bytes.length; at += view.getUint16(at + 6, true)) {
    if (view.getUint32(at, true) === MMAP2) pids.push(view.getUint32(at + 8, true));
  }
  return pids;
}

/** PERF_RECORD_COMM or PERF_RECORD_EXIT of a process. */
function eventOf(type: number, misc: number, words: number[]): Uint8Array {
  const bytes = new Uint8Array(8 + words.length * 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint16(4, misc, true);
  view.setUint16(6, bytes.length, true);
  words.forEach((word, index) => view.setUint32(8 + index * 4, word, true));
  return bytes;
}

Deno.test("RelativeNames: says once more which other process has a file", () => {
  const records = [mappingOf(1, "/lib/c"), mappingOf(2, "/lib/c")];
  assert.deepEqual(pidsOf(rewritten(records)), [1, 2, 1]);
  // The same name can be another file, and the same file can have another name.
  assert.deepEqual(pidsOf(rewritten([...records, mappingOf(3, "/lib/c", 2n)])), [1, 2, 1, 3]);
  assert.deepEqual(pidsOf(rewritten([...records, mappingOf(3, "/c")])), [1, 2, 1, 3]);
  // u32 pid, ppid, tid, ptid: a thread that ends leaves its process.
  const [ended, threadEnded] = [[1, 0, 1, 0], [1, 0, 5, 0]].map((ids) => eventOf(4, 0, ids));
  const again = mappingOf(3, "/lib/c");
  assert.deepEqual(pidsOf(rewritten([...records, threadEnded, again])), [1, 2, 1, 3, 1]);
  assert.deepEqual(pidsOf(rewritten([...records, ended, again])), [1, 2, 1, 3, 2]);
  // What was renamed is the same program, what was executed is another.
  const [renamed, executed] = [0, 0x2000].map((misc) => eventOf(3, misc, [1, 1, 0x61, 0]));
  assert.deepEqual(pidsOf(rewritten([...records, renamed, again])), [1, 2, 1, 3, 1]);
  assert.deepEqual(pidsOf(rewritten([...records, executed, again])), [1, 2, 1, 3, 2]);
});

async function absolute(text: string, chunkBytes: number): Promise<string> {
  const bytes = encoder.encode(text);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      yield await Promise.resolve(bytes.slice(at, at + chunkBytes));
    }
  }
  let result = "";
  for await (const chunk of absoluteNames(chunks())) result += new TextDecoder().decode(chunk);
  return result;
}

Deno.test("absoluteNames: gives the names in perf script's text back, whatever the chunks", async () => {
  const text = "a 1/1 1.0: 5 cycles: \n\t 10 f+0x1 (./bin/a)\n\t 20 [unknown] (./a b/(./c))\n" +
    "\t 30 operator()(int) const+0x2 (./x/./y)\n\t 40 g+0x3 ([vdso])\n\n (. (.";
  const expected = text.replaceAll(" (./", " (/");
  for (let size = 1; size <= text.length; size++) {
    assert.equal(await absolute(text, size), expected, `in chunks of ${size}`);
  }
});
