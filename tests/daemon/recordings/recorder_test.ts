/**
 * A recording with stand-ins for perf, for what the real perf does not do on command: to die, to
 * print garbage, to lose a race. `tests/integration/daemon_test.ts` has the real one.
 */
import assert from "node:assert/strict";
import type { Container, ContainerLookup } from "../../../daemon/containers/container.ts";
import type { PerfRecord, PerfScript, RecordExit } from "../../../daemon/perf/perf.ts";
import {
  type Perf,
  record,
  type RecorderParts,
  type RecordingObserver,
} from "../../../daemon/recordings/recorder.ts";
import type { RecordingOptions } from "../../../daemon/recording.ts";
import { setTimeout as wait } from "node:timers/promises";
import { StatusError } from "../../../daemon/status_error.ts";

const CONTAINER: Container = { id: "a".repeat(64), mainPid: 1 };
const OPTIONS: RecordingOptions = {
  durationSeconds: 1,
  frequencyHz: 99,
  events: [],
  callGraph: "none",
  stackSizeBytes: 8192,
  side: "both",
  inline: false,
  format: "script",
  mainProcess: false,
};
const SILENT: RecordingObserver = {
  started() {},
  progress() {},
  converting() {},
  perfFailed() {},
  missed() {},
};

/** perf.data of the pipe form with one sample and nothing else. */
const ONE_SAMPLE = (() => {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("PERFILE2"));
  view.setBigUint64(8, 16n, true);
  view.setUint32(16, 9, true);
  view.setUint16(22, 8, true);
  return bytes;
})();

/** PERF_RECORD_EXIT of a thread. */
function exitOf(pid: number, tid = pid): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 4, true);
  view.setUint16(6, 24, true);
  view.setUint32(8, pid, true);
  view.setUint32(16, tid, true);
  return bytes;
}

function lookup(processes: number[][], entered: number[][] = []): ContainerLookup {
  return {
    find: () => Promise.resolve(CONTAINER),
    processes: () => Promise.resolve(processes.length > 1 ? processes.shift()! : processes[0]),
    guard: () =>
      Promise.resolve({
        note: (pids) => Promise.resolve(pids.length),
        holds: () => Promise.resolve(true),
      }),
    async *entered(_container, signal) {
      yield* entered;
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener("abort", () => resolve());
      });
    },
    threadTimes: () => Promise.resolve([]),
    uptime: () => Promise.resolve(undefined),
    check: () => Promise.resolve(),
  };
}

function partsOf(lookup: ContainerLookup, perf: Perf): RecorderParts {
  return {
    lookup,
    perf,
    limits: { maxThreads: 10, threadTimeBytesPerSecond: 1000 },
    conversionTimeoutSeconds: 60,
  };
}

interface StandInOptions {
  data?: Uint8Array[];
  exit?: RecordExit;
  text?: string;
  scriptExit?: StatusError;
  /** How long the perf record of process 1 goes on. Default: not at all. */
  lastsMs?: number;
}

/** A perf that has recorded `data` at once, and whose perf script prints `text` for it. */
function standIn(options: StandInOptions = {}): Perf & { attachedTo: (readonly number[])[] } {
  const { data = [ONE_SAMPLE], exit = { wholeDuration: true }, text = "a sample\n" } = options;
  const attachedTo: (readonly number[])[] = [];
  return {
    attachedTo,
    startRecord(_options, target) {
      attachedTo.push(target.pids);
      const perf: PerfRecord = {
        attached: Promise.resolve(),
        full: new Promise(() => {}),
        output: ReadableStream.from(data),
        flush() {},
        stop() {},
        discard: () => Promise.resolve(),
        exit: target.pids[0] === 1 && options.lastsMs
          ? wait(options.lastsMs, exit)
          : Promise.resolve(exit),
      };
      return Promise.resolve(perf);
    },
    startScript(_options, signal): PerfScript {
      const { promise: exit, resolve } = Promise.withResolvers<void>();
      const through = new TransformStream<Uint8Array, Uint8Array>({
        transform() {},
        flush(controller) {
          controller.enqueue(new TextEncoder().encode(text));
          resolve();
        },
      });
      if (!options.scriptExit) {
        return { input: through.writable, output: through.readable, exit };
      }
      signal.throwIfAborted();
      return {
        input: new WritableStream({
          write() {
            throw new Error("Broken pipe");
          },
        }),
        output: ReadableStream.from([]),
        exit: Promise.reject(options.scriptExit),
      };
    },
  };
}

/** Collects what is written, and knows how the writing ended. */
function sink(fail?: Error) {
  const written: Uint8Array[] = [];
  const state = { end: "open" };
  const stream = new WritableStream<Uint8Array>({
    write(chunk) {
      if (fail) throw fail;
      written.push(chunk.slice());
    },
    close: () => void (state.end = "closed"),
    abort: () => void (state.end = "aborted"),
  });
  return { stream, state, text: () => new TextDecoder().decode(Buffer.concat(written)) };
}

function control(abort = new AbortController(), stop = new AbortController()) {
  return { abort: abort.signal, stop: stop.signal };
}

Deno.test("record: the text goes to the output, which is closed, and is summed up", async () => {
  const output = sink();
  const parts = partsOf(lookup([[1]]), standIn());
  const summary = await record(parts, CONTAINER, OPTIONS, output.stream, control(), SILENT);
  assert.equal(output.text(), "a sample\n");
  assert.equal(output.state.end, "closed");
  assert.equal(summary.samples, 1);
  assert.equal(summary.completeness, "full");
  // perf says that it sampled for the whole time, however late it was heard here that it started.
  assert.equal(summary.sampledSeconds, OPTIONS.durationSeconds);
});

Deno.test("record: a process that goes away while perf attaches makes it list them again", async () => {
  const perf = standIn();
  const { startRecord } = perf;
  let attempts = 0;
  perf.startRecord = (options, target, signal) =>
    ++attempts < 3
      ? Promise.reject(new StatusError("NOT_FOUND", "gone"))
      : startRecord(options, target, signal);
  const parts = partsOf(lookup([[1, 2], [1, 3], [1]]), perf);
  await record(parts, CONTAINER, OPTIONS, sink().stream, control(), SILENT);
  assert.deepEqual(perf.attachedTo, [[1]]);

  attempts = -9;
  await assert.rejects(
    record(parts, CONTAINER, OPTIONS, sink().stream, control(), SILENT),
    { status: "NOT_FOUND" },
  );
  assert.equal(attempts, -4, "it gives up after five attempts");

  attempts = -9;
  const changing = partsOf(lookup([[1], [2], [3], [4], [5], [6]]), perf);
  await assert.rejects(
    record(changing, CONTAINER, OPTIONS, sink().stream, control(), SILENT),
    { status: "FAILED_PRECONDITION", message: /processes changed again and again/ },
  );
});

/** A perf that cannot attach to more than one process at a time. */
function attachesToOne(): ReturnType<typeof standIn> {
  const perf = standIn({ lastsMs: 500 });
  const { startRecord } = perf;
  perf.startRecord = (options, target, signal) =>
    target.pids.length > 1
      ? Promise.reject(new StatusError("NOT_FOUND", "No such process"))
      : startRecord(options, target, signal);
  return perf;
}

Deno.test("record: where children end faster than perf attaches, those that last are recorded", async () => {
  const perf = attachesToOne();
  const parts = partsOf(lookup([[1, 2], [1, 3], [1, 4], [1, 4]]), perf);
  const output = sink();
  const summary = await record(parts, CONTAINER, OPTIONS, output.stream, control(), SILENT);
  // 4 was there when perf attached, and lasts as well.
  assert.deepEqual(perf.attachedTo, [[1], [4]]);
  assert.equal(output.text(), "a sample\n".repeat(2));
  assert.equal(summary.missedProcesses, 0);
});

Deno.test("record: perf.data says that a process which started while perf attached is missed", async () => {
  const options: RecordingOptions = { ...OPTIONS, format: "data" };
  for (const [left, missed] of [[[1, 4], 1], [[1], 0]] as const) {
    const perf = attachesToOne();
    const parts = partsOf(lookup([[1, 2], [1, 3], [1, 4], [...left]]), perf);
    const summary = await record(parts, CONTAINER, options, sink().stream, control(), SILENT);
    assert.deepEqual(perf.attachedTo, [[1]]);
    assert.equal(summary.missedProcesses, missed);
  }
});

Deno.test("record: --main-process attaches to that process and no other", async () => {
  const perf = standIn();
  const options = { ...OPTIONS, mainProcess: true };
  const parts = partsOf(lookup([[1, 2, 3]], [[4]]), perf);
  await record(parts, CONTAINER, options, sink().stream, control(), SILENT);
  assert.deepEqual(perf.attachedTo, [[1]]);
});

Deno.test("record: processes that enter the container later are also recorded", async () => {
  const perf = standIn({ lastsMs: 500 });
  const output = sink();
  const parts = partsOf(lookup([[1], [1, 7, 8, 9]], [[7, 8], [9]]), perf);
  const summary = await record(parts, CONTAINER, OPTIONS, output.stream, control(), SILENT);
  assert.deepEqual(perf.attachedTo, [[1], [7, 8], [9]]);
  assert.equal(output.text(), "a sample\n".repeat(3));
  assert.equal(summary.samples, 3);
});

Deno.test("record: of processes that entered, one that is gone does not take the others along", async () => {
  const perf = standIn({ lastsMs: 500 });
  const { startRecord } = perf;
  perf.startRecord = (options, target, signal) =>
    target.pids.includes(7)
      ? Promise.reject(new StatusError("NOT_FOUND", "No such process"))
      : startRecord(options, target, signal);
  const output = sink();
  const parts = partsOf(lookup([[1], [1, 7, 8], [1, 8]], [[7, 8]]), perf);
  await record(parts, CONTAINER, OPTIONS, output.stream, control(), SILENT);
  assert.deepEqual(perf.attachedTo, [[1], [8]]);
  assert.equal(output.text(), "a sample\n".repeat(2));
});

Deno.test("record: processes that entered and cannot be recorded do not end the recording", async () => {
  const perf = standIn({ lastsMs: 500 });
  const { startRecord } = perf;
  const failure = new StatusError("INTERNAL", "perf record failed");
  perf.startRecord = (options, target, signal) =>
    target.pids[0] === 7 ? Promise.reject(failure) : startRecord(options, target, signal);
  const missed: unknown[] = [];
  const observer = { ...SILENT, missed: (...all: unknown[]) => missed.push(...all) };
  const output = sink();
  const parts = partsOf(lookup([[1], [1, 7, 9]], [[7], [9]]), perf);
  const summary = await record(parts, CONTAINER, OPTIONS, output.stream, control(), observer);
  assert.equal(output.text(), "a sample\n".repeat(2));
  assert.deepEqual(missed, [1, failure.message]);
  assert.equal(summary.missedProcesses, 1);
});

/** PERF_RECORD_FORK of a process, or of a thread. */
function forkOf(parent: number, pid: number, tid = pid): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 7, true);
  view.setUint16(6, 24, true);
  [pid, parent, tid, parent].forEach((id, index) => view.setUint32(8 + 4 * index, id, true));
  return bytes;
}

Deno.test("record: what recorded processes have started is not recorded once more when it seems to enter", async () => {
  const perf = standIn({
    lastsMs: 500,
    data: [ONE_SAMPLE, forkOf(1, 7), forkOf(7, 8), forkOf(9, 9, 9)],
  });
  const parts = partsOf(lookup([[1], [1, 7, 8, 10]], [[7], [8, 10]]), perf);
  const summary = await record(parts, CONTAINER, OPTIONS, sink().stream, control(), SILENT);
  assert.deepEqual(perf.attachedTo, [[1], [10]]);
  assert.equal(summary.missedProcesses, 0);
});

Deno.test("record: those that wait in vain to be recorded are counted", async () => {
  const perf = standIn({ lastsMs: 500 });
  const { startRecord } = perf;
  let [running, most] = [0, 0];
  perf.startRecord = async (options, target, signal) => {
    const started = await startRecord(options, target, signal);
    if (target.pids[0] === 1) return started;
    most = Math.max(most, ++running);
    return { ...started, exit: wait(600).then(() => (running--, { wholeDuration: true })) };
  };
  const pids = Array.from({ length: 20 }, (_, index) => index + 2);
  const missed: unknown[] = [];
  const observer = { ...SILENT, missed: (...all: unknown[]) => missed.push(...all) };
  const parts = partsOf(lookup([[1], [1, ...pids]], pids.map((pid) => [pid])), perf);
  const summary = await record(parts, CONTAINER, OPTIONS, sink().stream, control(), observer);
  assert.equal(most, 3);
  assert.equal(summary.missedProcesses, 17);
  assert.deepEqual(missed, [17, "too many entered at a time"]);
});

Deno.test("record: process ids that were used again while perf attached are listed again", async () => {
  const perf = standIn();
  let discarded = 0;
  const { startRecord } = perf;
  perf.startRecord = async (...args) => ({
    ...await startRecord(...args),
    discard: () => Promise.resolve(void discarded++),
  });
  const found = lookup([[1, 2], [1, 3]]);
  const guard = await found.guard(CONTAINER);
  let looks = 0;
  found.guard = () => Promise.resolve({ ...guard, holds: () => Promise.resolve(++looks > 1) });
  await record(partsOf(found, perf), CONTAINER, OPTIONS, sink().stream, control(), SILENT);
  assert.deepEqual(perf.attachedTo, [[1, 2], [1, 3]]);
  assert.equal(discarded, 1);

  const output = sink();
  looks = -9;
  await assert.rejects(
    record(partsOf(found, perf), CONTAINER, OPTIONS, output.stream, control(), SILENT),
    { status: "FAILED_PRECONDITION", message: /processes changed again and again/ },
  );
  assert.deepEqual([output.text(), output.state.end, discarded], ["", "aborted", 6]);
});

Deno.test("record: a container with too many threads is refused before perf starts", async () => {
  const perf = standIn();
  const parts = {
    ...partsOf(lookup([[1, 2, 3]]), perf),
    limits: { maxThreads: 2, threadTimeBytesPerSecond: 1000 },
  };
  await assert.rejects(
    record(parts, CONTAINER, OPTIONS, sink().stream, control(), SILENT),
    {
      status: "FAILED_PRECONDITION",
      message: /3 threads .* limit of 2 \(--max-threads\).*--main-process/,
    },
  );
  assert.deepEqual(perf.attachedTo, []);
  const options = { ...OPTIONS, mainProcess: true };
  await record(parts, CONTAINER, options, sink().stream, control(), SILENT);
});

/** A perf that has more to say before it samples than is held; `attached` settles how that ends. */
function talkative(attached: Promise<void>) {
  const perf = standIn();
  const { startRecord, startScript } = perf;
  const fed = Promise.withResolvers<void>();
  perf.startRecord = async (...args) => ({
    ...await startRecord(...args),
    attached: fed.promise.then(() => attached),
    full: Promise.resolve(),
  });
  perf.startScript = (...args) => {
    fed.resolve();
    return startScript(...args);
  };
  return perf;
}

Deno.test("record: what perf says before it samples is read by perf script when there is much of it", async () => {
  const { promise: attached, resolve } = Promise.withResolvers<void>();
  const output = sink();
  const parts = partsOf(lookup([[1]]), talkative(attached));
  const recorded = record(parts, CONTAINER, OPTIONS, output.stream, control(), SILENT);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(output.text(), "", "nothing goes out before perf has attached");
  resolve();
  assert.equal((await recorded).completeness, "full");
  assert.equal(output.text(), "a sample\n");
});

Deno.test("record: a process that goes away while perf script reads already is told", async () => {
  const attached = Promise.reject(new StatusError("NOT_FOUND", "No such process"));
  attached.catch(() => {});
  const output = sink();
  await assert.rejects(
    record(
      partsOf(lookup([[1]]), talkative(attached)),
      CONTAINER,
      OPTIONS,
      output.stream,
      control(),
      SILENT,
    ),
    { status: "FAILED_PRECONDITION", message: /processes changed again and again/ },
  );
  assert.equal(output.text(), "");
});

Deno.test("record: perf.data that has to be held before perf samples is bounded", async () => {
  const options: RecordingOptions = { ...OPTIONS, format: "data" };
  const parts = partsOf(lookup([[1]]), talkative(new Promise(() => {})));
  await assert.rejects(
    record(parts, CONTAINER, options, sink().stream, control(), SILENT),
    { status: "FAILED_PRECONDITION", message: /more than 8Mi to say of what the 1 processes/ },
  );
});

const KILLED = new StatusError("INTERNAL", "perf record failed: it was ended by SIGKILL");

/** What becomes of a recording whose perf record ends in some way; `failures` hears of perf's. */
async function recordWith(
  perf: Perf,
  stop = new AbortController(),
  found = lookup([[1], [1, 7]], [[7]]),
) {
  const failures: StatusError[] = [];
  const observer = { ...SILENT, perfFailed: (error: StatusError) => failures.push(error) };
  const parts = partsOf(found, perf);
  const ends = control(new AbortController(), stop);
  const { completeness } = await record(parts, CONTAINER, OPTIONS, sink().stream, ends, observer);
  return { completeness, failures };
}

Deno.test("record: what a perf record that fails has sampled is delivered as partial", async () => {
  const perf = standIn({ exit: { wholeDuration: false, failure: KILLED } });
  const expected = { completeness: "perf-failed", failures: [KILLED] };
  assert.deepEqual(await recordWith(perf), expected);

  const forEntered = standIn({ lastsMs: 500 });
  const { startRecord } = forEntered;
  forEntered.startRecord = async (options, target, signal) => {
    const perf = await startRecord(options, target, signal);
    if (target.pids[0] !== 7) return perf;
    return { ...perf, exit: Promise.resolve({ wholeDuration: true, failure: KILLED }) };
  };
  assert.deepEqual(await recordWith(forEntered), expected);
});

Deno.test("record: a perf script that dies is what is reported, not the broken pipe to it", async () => {
  const died = new StatusError("INTERNAL", "perf script failed: it was ended by SIGSEGV");
  const output = sink();
  const parts = partsOf(lookup([[1]]), standIn({ scriptExit: died }));
  await assert.rejects(
    record(parts, CONTAINER, OPTIONS, output.stream, control(), SILENT),
    (error) => error === died,
  );
  assert.equal(output.state.end, "aborted");
});

Deno.test("record: a perf record that fails without a sample is reported, whatever perf script says", async () => {
  const exit = { wholeDuration: false, failure: KILLED };
  const silent = standIn({ data: [], exit, text: "" });
  await assert.rejects(recordWith(silent), (error) => error === KILLED);

  const complaining = standIn({ exit });
  complaining.startScript = () => {
    const { promise, reject } = Promise.withResolvers<void>();
    const close = () => reject(new StatusError("INTERNAL", "perf script failed: no data"));
    return { input: new WritableStream({ close }), output: ReadableStream.from([]), exit: promise };
  };
  await assert.rejects(recordWith(complaining), (error) => error === KILLED);
});

Deno.test("record: output that is not perf.data is reported", async () => {
  const parts = partsOf(lookup([[1]]), standIn({ data: [new Uint8Array(100)] }));
  await assert.rejects(
    record(parts, CONTAINER, OPTIONS, sink().stream, control(), SILENT),
    /not perf\.data/,
  );
});

Deno.test("record: an output that cannot be written ends the recording with its error", async () => {
  const full = new StatusError("RESOURCE_EXHAUSTED", "the disk is full");
  for (const format of ["script", "data"] as const) {
    const parts = partsOf(lookup([[1]]), standIn());
    await assert.rejects(
      record(parts, CONTAINER, { ...OPTIONS, format }, sink(full).stream, control(), SILENT),
      (error) => error === full,
    );
  }
});

Deno.test("record: no sample is an error that depends on why sampling ended", async () => {
  const run = (wholeDuration: boolean, ...records: Uint8Array[]) =>
    recordWith(
      standIn({
        data: [ONE_SAMPLE.subarray(0, 16), ...records],
        exit: { wholeDuration },
        text: "",
      }),
    );
  await assert.rejects(run(true), { status: "FAILED_PRECONDITION", message: /sleeps or waits/ });
  await assert.rejects(run(false, exitOf(1)), {
    status: "FAILED_PRECONDITION",
    message: /ended after/,
  });
  await assert.rejects(run(false), { status: "INTERNAL", message: /told to end early/ });
});

Deno.test("record: how sampling ended is the completeness", async () => {
  const early = { exit: { wholeDuration: false } };
  const ended = await recordWith(standIn({ ...early, data: [ONE_SAMPLE, exitOf(1)] }));
  assert.deepEqual(ended, { completeness: "target-ended", failures: [] });

  // A thread of it, or another process, is not the process.
  for (const exit of [exitOf(1, 2), exitOf(2)]) {
    const { completeness, failures } = await recordWith(
      standIn({ ...early, data: [ONE_SAMPLE, exit] }),
    );
    assert.equal(completeness, "perf-failed", "perf ended though the process had not");
    assert.match(failures[0].message, /told to end early/);
  }
  // Nothing tells of its end, but it is there no more.
  const unseen = await recordWith(standIn(early), new AbortController(), lookup([[1], [2]]));
  assert.deepEqual(unseen, ended);

  const stop = new AbortController();
  stop.abort("stopped");
  const stopped = await recordWith(standIn(early), stop);
  assert.deepEqual(stopped, { completeness: "stopped", failures: [] });
});

Deno.test("record: text that perf script cannot have meant is reported", async () => {
  await assert.rejects(recordWith(standIn({ text: "a\0b\n" })), {
    status: "INTERNAL",
    message: /perf script failed: its output is not text/,
  });
  await assert.rejects(recordWith(standIn({ text: "" })), {
    message: /perf script failed: it printed nothing of \d samples/,
  });
});

Deno.test("record: a perf script that goes on for too long is ended, and that is reported", async () => {
  const perf = standIn();
  perf.startScript = (_options, signal) => {
    const { promise: exit, reject } = Promise.withResolvers<void>();
    const output = new ReadableStream<Uint8Array>({
      start: (controller) =>
        signal.addEventListener("abort", () => {
          controller.close();
          reject(new StatusError("INTERNAL", "perf script failed: It was ended by SIGTERM."));
        }),
    });
    return { input: new WritableStream(), output, exit };
  };
  const parts = { ...partsOf(lookup([[1]]), perf), conversionTimeoutSeconds: 0.01 };
  await assert.rejects(
    record(parts, CONTAINER, OPTIONS, sink().stream, control(), SILENT),
    { status: "INTERNAL", message: /did not end in 10ms after the sampling did/ },
  );
});

Deno.test("record: a caller that gives up gets CANCELLED, and the output is aborted", async () => {
  const abort = new AbortController();
  abort.abort();
  const output = sink();
  const parts = partsOf(lookup([[1]]), standIn());
  await assert.rejects(
    record(parts, CONTAINER, OPTIONS, output.stream, control(abort), SILENT),
    { status: "CANCELLED" },
  );
  assert.equal(output.state.end, "aborted");
});

Deno.test("record: a perf that ends with its caller has not failed", async () => {
  const abort = new AbortController();
  const perf = standIn({ exit: { wholeDuration: false } });
  const startRecord: Perf["startRecord"] = async (...args) => {
    const started = await perf.startRecord(...args);
    abort.abort();
    return started;
  };
  const failures: StatusError[] = [];
  const observer = { ...SILENT, perfFailed: (error: StatusError) => void failures.push(error) };
  const parts = partsOf(lookup([[1]]), { ...perf, startRecord });
  await assert.rejects(
    record(parts, CONTAINER, OPTIONS, sink().stream, control(abort), observer),
    { status: "CANCELLED" },
  );
  assert.deepEqual(failures, []);
});

Deno.test("record: a container without processes has ended", async () => {
  const parts = partsOf(lookup([[]]), standIn());
  await assert.rejects(
    record(parts, CONTAINER, OPTIONS, sink().stream, control(), SILENT),
    { status: "NOT_FOUND" },
  );
});
