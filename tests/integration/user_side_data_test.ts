/** What perf.data tells a caller who may not see the kernel's side. */
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { collect, fetchResult } from "../testing/calls.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { run } from "../testing/process.ts";
import { buildTargets, BUSY_FUNCTION } from "../testing/targets.ts";

const targets = await buildTargets();

const MMAP = 1;
const MMAP2 = 10;
const KSYMBOL = 17;
const CPU_MAP = 74;
const HEADER_FEATURE = 80;
const HOSTNAME = 3;
const CPU_TOPOLOGY = 13;
const LAST_FEATURE_BYTES = 16;
const CPUMODE_KERNEL = 1;

interface Found {
  type: number;
  /** 1 is the kernel. */
  mode: number;
  /** A feature's number, when it is one and says something. */
  feature?: number;
}

/** The records of perf.data of the pipe form. */
function readRecords(data: Uint8Array): Found[] {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const found: Found[] = [];
  for (let at = 16; at < data.length; at += view.getUint16(at + 6, true)) {
    const [type, mode] = [view.getUint32(at, true), view.getUint16(at + 4, true) & 7];
    const tells = type === HEADER_FEATURE && view.getUint16(at + 6, true) > LAST_FEATURE_BYTES;
    found.push({ type, mode, ...(tells ? { feature: view.getUint32(at + 8, true) } : {}) });
  }
  return found;
}

async function recordData(
  daemon: TestDaemon,
  pid: number,
  side: "SIDE_USER" | "SIDE_BOTH",
): Promise<{ data: Uint8Array; samples: number }> {
  const events = await collect(daemon, {
    containerId: `${pid}`,
    duration: { seconds: 1, nanos: 0 },
    options: { format: "FORMAT_DATA", side },
  });
  const data = gunzipSync(await fetchResult(daemon, events[0].accepted!.recordingId));
  return { data, samples: events.at(-1)!.finished!.samples };
}

async function perf(data: Uint8Array, ...args: string[]): Promise<string> {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeFile(file, data);
    const { success, stdout, stderr } = await new Deno.Command("perf", {
      args: [...args, "--input", file],
    }).output();
    const decoder = new TextDecoder();
    assert.ok(success, decoder.decode(stderr));
    return decoder.decode(stdout);
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("StartRecording: perf.data of the user's side says nothing of the kernel and the node", async () => {
  await using daemon = await startDaemon({ args: ["--container-lookup", "pid"] });
  await using target = run(targets.bpfLoader);
  const user = await recordData(daemon, target.pid, "SIDE_USER");
  const both = await recordData(daemon, target.pid, "SIDE_BOTH");

  // Those who may see the kernel's side get all that perf has written down.
  const all = readRecords(both.data);
  assert.ok(all.some(({ type }) => type === KSYMBOL), "no BPF program was seen");
  assert.ok(all.some(({ type, mode }) => [MMAP, MMAP2].includes(type) && mode === CPUMODE_KERNEL));
  for (const feature of [HOSTNAME, CPU_TOPOLOGY]) {
    assert.ok(all.some((record) => record.feature === feature), `no feature ${feature}`);
  }

  const left = readRecords(user.data);
  assert.deepEqual(left.filter(({ mode }) => mode === CPUMODE_KERNEL), []);
  assert.deepEqual(left.filter(({ type }) => type === KSYMBOL || type === CPU_MAP), []);
  // perf's version, the architecture and the events.
  const features = left.flatMap(({ feature }) => feature ?? []);
  assert.deepEqual(features.filter((feature) => ![5, 6, 12, 17, 23].includes(feature)), []);
  const text = new TextDecoder("latin1").decode(user.data);
  for (const word of [Deno.hostname(), "necoperf_probe", "kallsyms", Deno.osRelease()]) {
    assert.ok(!text.includes(word), `it has the word ${word}`);
  }

  const script = await perf(user.data, "script", "--fields", "comm,ip,sym");
  assert.equal(script.match(/^bpf-loader/gm)?.length, user.samples);
  assert.ok(script.includes(BUSY_FUNCTION), script.slice(0, 300));
  const report = await perf(
    user.data,
    "report",
    "--stdio",
    "--no-children",
    "--call-graph",
    "none",
  );
  assert.match(report, new RegExp(`bpf-loader .*${BUSY_FUNCTION}`));
});
