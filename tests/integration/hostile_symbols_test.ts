/** Files from which perf script takes symbols, and which a container has made to hurt it. */
import assert from "node:assert/strict";
import { grpc } from "../../proto/grpc.ts";
import {
  createContainerLookup,
  type OpenContainerLookup,
} from "../../daemon/containers/container_lookup.ts";
import { collect, findChildren } from "../testing/calls.ts";
import { startContainerd, type TestContainer, type TestContainerd } from "../testing/containerd.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { buildTargets } from "../testing/targets.ts";

const targets = await buildTargets();

const MAX_PERF_MEMORY = 150 * 2 ** 20;

function openLookup(): OpenContainerLookup & Disposable {
  const lookup = createContainerLookup({
    by: "cgroup",
    procDir: "/proc",
    runtimeEndpoint: "unix:///nowhere",
  });
  return Object.assign(lookup, { [Symbol.dispose]: () => lookup.close() });
}

/** Runs a container whose one process is a `program`, when `prepare` has been done in its shell. */
async function runProgram(
  containerd: TestContainerd,
  install: (path: string) => Promise<void>,
  prepare = ":",
): Promise<TestContainer> {
  const script = `until [ -e /tmp/go ]; do sleep 0.1; done; ${prepare}; exec /tmp/program`;
  const container = await containerd.run({ command: ["/bin/sh", "-c", script] });
  using lookup = openLookup();
  const { mainPid } = await lookup.find(container.id);
  await install(`/proc/${mainPid}/root/tmp/program`);
  await Deno.writeTextFile(`/proc/${mainPid}/root/tmp/go`, "");
  return container;
}

const installJit = (path: string) => Deno.copyFile(targets.jit, path);

/** The most memory that a perf of the daemon's took while `act` went on, in bytes. */
async function peakOfPerf(daemon: TestDaemon, act: () => Promise<void>): Promise<number> {
  let peak = 0;
  const timer = setInterval(async () => {
    for (const child of await findChildren(daemon.pid)) {
      const pid = /^\d+/.exec(child)![0];
      const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
      peak = Math.max(peak, Number(/^RssAnon:\s*(\d+)/m.exec(status)?.[1] ?? 0) * 1024);
    }
  }, 50);
  try {
    await act();
  } finally {
    clearInterval(timer);
  }
  return peak;
}

function record(daemon: TestDaemon, container: TestContainer) {
  return collect(daemon, {
    containerId: container.id,
    duration: { seconds: 1, nanos: 0 },
    options: { side: "SIDE_USER" },
  });
}

async function assertRefused(
  daemon: TestDaemon,
  container: TestContainer,
  words: RegExp,
): Promise<void> {
  await assert.rejects(record(daemon, container), (error: grpc.ServiceError) => {
    assert.equal(error.code, grpc.status.FAILED_PRECONDITION, error.details);
    assert.match(error.details, words);
    return true;
  });
  assert.deepEqual(await findChildren(daemon.pid), []);
}

/** What stands in the place of the perf map of the container's first process. */
const MAPS = {
  "a link to /dev/zero": {
    prepare: "ln -s /dev/zero /tmp/perf-1.map",
    words: /took \d+Mi of the 150Mi .*perf-PID\.map/,
  },
  "a huge file without content": {
    prepare: "truncate -s 100G /tmp/perf-1.map",
    words: /took \d+Mi of the 150Mi .*perf-PID\.map/,
  },
  "a named pipe": {
    prepare: "mkfifo -m 666 /tmp/perf-1.map",
    words: /waited for a file for 20 s.*named pipe/,
  },
  "a link to /dev/urandom": {
    prepare: "ln -s /dev/urandom /tmp/perf-1.map",
    words: /took \d+Mi of the 150Mi .*perf-PID\.map/,
  },
} as const;

/** The offset of a section header in an ELF file of 64 bits, by the section's type. */
function findSectionHeader(elf: DataView, type: number): number {
  const [start, size] = [Number(elf.getBigUint64(0x28, true)), elf.getUint16(0x3a, true)];
  const count = elf.getUint16(0x3c, true);
  for (let at = start; at < start + count * size; at += size) {
    if (elf.getUint32(at + 4, true) === type) return at;
  }
  throw new Error(`no section of type ${type}`);
}

const SHT_SYMTAB = 2;
const SYMBOL_BYTES = 24;

/** Writes a copy of a program whose symbol table is the given one, or of a size without content. */
async function writeWithSymbols(path: string, symbols: Uint8Array | number): Promise<void> {
  const elf = await Deno.readFile(targets.spin);
  const view = new DataView(elf.buffer);
  const header = findSectionHeader(view, SHT_SYMTAB);
  const size = typeof symbols === "number" ? symbols : symbols.length;
  const start = Math.ceil(elf.length / 8) * 8;
  view.setBigUint64(header + 0x18, BigInt(start), true);
  view.setBigUint64(header + 0x20, BigInt(size), true);
  using file = await Deno.open(path, { write: true, create: true, mode: 0o755 });
  await writeAll(file, elf);
  await file.truncate(start + size);
  if (typeof symbols === "number") return;
  await file.seek(start, Deno.SeekMode.Start);
  await writeAll(file, symbols);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await file.write(bytes));
}

/** A symbol table of `count` functions, one for each byte of the program's code and beyond. */
function makeSymbols(count: number): Uint8Array {
  const bytes = new Uint8Array(count * SYMBOL_BYTES);
  const view = new DataView(bytes.buffer);
  for (let at = 0, address = 0x401000; at < bytes.length; at += SYMBOL_BYTES, address++) {
    // Elf64_Sym: u32 name, u8 info (STB_GLOBAL, STT_FUNC), u8 other, u16 section, u64 value, u64
    // size.
    view.setUint32(at, 1, true);
    view.setUint8(at + 4, 0x12);
    view.setUint16(at + 6, 1, true);
    view.setBigUint64(at + 8, BigInt(address), true);
    view.setBigUint64(at + 16, 1n, true);
  }
  return bytes;
}

/** A daemon that lets perf scripts have little. */
function startSmallDaemon(): Promise<TestDaemon> {
  return startDaemon({
    args: [
      ...["--container-lookup", "cgroup", "--node-name", "test"],
      ...["--max-perf-memory", `${MAX_PERF_MEMORY}`],
    ],
  });
}

Deno.test("perf script: a perf map that never ends or gives nothing ends it, and says so", async (t) => {
  await using containerd = await startContainerd();
  await using daemon = await startSmallDaemon();
  for (const [name, { prepare, words }] of Object.entries(MAPS)) {
    await t.step(name, async () => {
      const container = await runProgram(containerd, installJit, prepare);
      const peak = await peakOfPerf(daemon, () => assertRefused(daemon, container, words));
      // It grows on for as long as a look at it takes.
      assert.ok(peak < 3 * MAX_PERF_MEMORY, `${peak} bytes`);
      await containerd.stopContainer(container.id);
    });
  }
  await t.step("loops of links, sockets and directories are no perf map", async () => {
    for (const prepare of ["ln -s perf-1.map /tmp/perf-1.map", "mkdir /tmp/perf-1.map"]) {
      const container = await runProgram(containerd, installJit, prepare);
      const events = await record(daemon, container);
      assert.ok(events.at(-1)!.finished!.samples > 0);
      await containerd.stopContainer(container.id);
    }
  });
});

Deno.test("perf script: a huge table of symbols ends it, and it says so", async (t) => {
  await using containerd = await startContainerd();
  await using daemon = await startSmallDaemon();
  const run = (symbols: Uint8Array | number) =>
    runProgram(containerd, (path) => writeWithSymbols(path, symbols));

  await t.step("millions of symbols", async () => {
    const container = await run(makeSymbols(3_000_000));
    const words = /took \d+Mi of the 150Mi .*programs/;
    const peak = await peakOfPerf(daemon, () => assertRefused(daemon, container, words));
    assert.ok(peak < 3 * MAX_PERF_MEMORY, `${peak} bytes`);
    await containerd.stopContainer(container.id);
  });

  await t.step("64 GiB without content do no harm", async () => {
    const container = await run(2 ** 36);
    const peak = await peakOfPerf(daemon, async () => {
      assert.ok((await record(daemon, container)).at(-1)!.finished!.samples > 0);
    });
    assert.ok(peak < MAX_PERF_MEMORY, `${peak} bytes`);
    await containerd.stopContainer(container.id);
  });
});
