import assert from "node:assert/strict";
import { FirstSample, PerfDataCounter } from "../../../daemon/perf/perf_data.ts";

/** A record: u32 type, u16 misc, u16 size, then `words` of 64 bits. */
function perfRecord(type: number, words: bigint[]): Uint8Array {
  const bytes = new Uint8Array(8 + words.length * 8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint16(6, bytes.length, true);
  words.forEach((word, index) => view.setBigUint64(8 + index * 8, word, true));
  return bytes;
}

function stream(...records: Uint8Array[]): Uint8Array {
  const header = new Uint8Array(16);
  header.set(new TextEncoder().encode("PERFILE2"));
  new DataView(header.buffer).setBigUint64(8, 16n, true);
  return new Uint8Array(Buffer.concat([header, ...records]));
}

const SAMPLE = perfRecord(9, [1n, 2n, 3n, 4n, 5n]);
const SMALLEST_SAMPLE = perfRecord(9, []);
const MMAP2 = perfRecord(10, Array(12).fill(9n));
const FINISHED_ROUND = perfRecord(68, []);

Deno.test("PerfDataCounter: samples and lost samples are counted whatever the chunks are", () => {
  const bytes = stream(
    MMAP2,
    SAMPLE,
    FINISHED_ROUND,
    perfRecord(2, [77n, 5n]),
    SMALLEST_SAMPLE,
    perfRecord(13, [3n]),
    SAMPLE,
  );
  for (let size = 1; size <= bytes.length; size++) {
    const counter = new PerfDataCounter();
    for (let at = 0; at < bytes.length; at += size) counter.add(bytes.subarray(at, at + size));
    assert.equal(counter.samples, 3, `samples in chunks of ${size}`);
    assert.equal(counter.lostSamples, 8, `lost samples in chunks of ${size}`);
  }
});

Deno.test("PerfDataCounter: throttling is counted, by its beginnings", () => {
  const counter = new PerfDataCounter();
  // PERF_RECORD_THROTTLE and PERF_RECORD_UNTHROTTLE: u64 time, id, stream_id.
  const [begin, end] = [5, 6].map((type) => perfRecord(type, [1n, 2n, 3n]));
  counter.add(stream(begin, end, SAMPLE, begin, end));
  assert.deepEqual([counter.throttled, counter.samples], [2, 1]);
});

Deno.test("PerfDataCounter: all have ended when the first thread of each process has", () => {
  const counter = new PerfDataCounter([7, 8]);
  // PERF_RECORD_EXIT: u32 pid, ppid, tid, ptid, u64 time.
  const exit = (pid: bigint, tid: bigint) => perfRecord(4, [pid | 1n << 32n, tid | 1n << 32n, 0n]);
  const ended = [exit(7n, 7n), exit(8n, 9n), exit(9n, 9n), exit(8n, 8n)].map((record, index) => {
    counter.add(index === 0 ? stream(record) : record);
    return counter.allEnded;
  });
  assert.deepEqual(ended, [false, false, false, true]);
});

Deno.test("PerfDataCounter: follows what the processes start until it ends", () => {
  const counter = new PerfDataCounter([7]);
  // PERF_RECORD_FORK and PERF_RECORD_EXIT: u32 pid, ppid, tid, ptid, u64 time.
  const record = (type: number, pid: bigint, tid: bigint) =>
    perfRecord(type, [pid | 7n << 32n, tid | 7n << 32n, 0n]);
  counter.add(stream(record(7, 8n, 8n), record(7, 7n, 9n)));
  const followed = () => [7, 8, 9, 10].filter((pid) => counter.follows(pid));
  assert.deepEqual(followed(), [7, 8], "a thread is no process");
  counter.add(record(4, 8n, 8n));
  assert.deepEqual(followed(), [7]);
  for (let pid = 1000n; pid < 102_000n; pid++) counter.add(record(7, pid, pid));
  assert.ok(!counter.follows(1000) && counter.follows(101_999), "not without bound");
});

Deno.test("PerfDataCounter: counts threads, without those that perf reports again", () => {
  const counter = new PerfDataCounter([7], 3);
  const record = (type: number, pid: bigint, tid: bigint) =>
    perfRecord(type, [pid | 7n << 32n, tid | 7n << 32n, 0n]);
  const madeUp = record(7, 7n, 20n);
  new DataView(madeUp.buffer).setUint16(4, 1 << 13, true);
  counter.add(stream(madeUp, record(7, 7n, 21n), record(7, 8n, 8n)));
  assert.equal(counter.threads, 5);
  counter.add(record(4, 7n, 21n));
  assert.equal(counter.threads, 4);
});

Deno.test("PerfDataCounter: what follows a tracing data record is not a record", () => {
  const tracingData = new Uint8Array(16);
  const view = new DataView(tracingData.buffer);
  view.setUint32(0, 66, true);
  view.setUint16(6, 12, true);
  view.setUint32(8, 13, true);
  const payload = new Uint8Array(16).fill(9);
  const counter = new PerfDataCounter();
  counter.add(stream(tracingData.subarray(0, 12), payload, SAMPLE));
  assert.equal(counter.samples, 1);
});

Deno.test("PerfDataCounter: bytes that are not perf.data are refused", () => {
  assert.throws(() => new PerfDataCounter().add(new Uint8Array(64)), /not perf.data/);
  const nothing = new Uint8Array(8);
  assert.throws(() => new PerfDataCounter().add(stream(nothing)), /impossible size/);
});

Deno.test("FirstSample: it is seen with the first sample or switch, and not before", async () => {
  for (const record of [SAMPLE, perfRecord(14, [1n, 2n])]) {
    const head = stream(MMAP2, FINISHED_ROUND, perfRecord(3, [1n]));
    const first = new FirstSample();
    let isSeen = false;
    first.seen.then(() => isSeen = true);
    first.add(head);
    await Promise.resolve();
    assert.equal(isSeen, false);
    first.add(record.subarray(0, 5));
    first.add(record.subarray(5));
    first.add(SAMPLE);
    await first.seen;
  }
});

Deno.test("FirstSample: bytes that are not perf.data have none, and are nobody's error", async () => {
  const first = new FirstSample();
  first.add(new Uint8Array(64));
  first.add(stream(SAMPLE));
  assert.equal(await Promise.race([first.seen.then(() => "seen"), "not seen"]), "not seen");
});
