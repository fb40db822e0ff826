import assert from "node:assert/strict";
import type { PerfRecord, RecordExit } from "../../../daemon/perf/perf.ts";
import { Bursts } from "../../../daemon/recordings/bursts.ts";
import { StatusError } from "../../../daemon/status_error.ts";

const HEADER = "PERFILE2+8 bytes";

/** A perf record that goes on until it is stopped or ended. */
class StandIn implements PerfRecord {
  readonly attached = Promise.resolve();
  readonly full = new Promise<void>(() => {});
  readonly output: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly exit: Promise<RecordExit>;
  stops = 0;
  flushes = 0;
  #hasEnded = false;
  readonly #exited = Promise.withResolvers<RecordExit>();
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

  constructor(readonly durationSeconds: number, chunks: string[]) {
    this.exit = this.#exited.promise;
    this.output = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
    });
    for (const chunk of chunks) this.#controller.enqueue(new TextEncoder().encode(chunk));
  }

  end(exit: RecordExit): void {
    if (!this.#hasEnded) this.#controller.close();
    this.#hasEnded = true;
    this.#exited.resolve(exit);
  }

  stop(): void {
    this.stops++;
    this.end({ wholeDuration: false });
  }

  flush(): void {
    this.flushes++;
  }

  discard(): Promise<void> {
    this.stop();
    return Promise.resolve();
  }
}

interface Started {
  bursts: Bursts;
  /** How many pauses are over. */
  pauses: { count: number };
  perfs: StandIn[];
  /** Resolves with all bytes as text when the output has ended. */
  text: Promise<string>;
  abort: AbortController;
}

type Attach = (perfs: StandIn[], durationSeconds: number) => StandIn | undefined;

/** Parts without quiet threads, whose rests end at once. */
const PARTS = {
  rested: () => Promise.resolve(),
  attachToQuiet: () => Promise.resolve(undefined),
  quietIsOver: () => assert.fail("no thread is quiet"),
  durationSeconds: 60,
  abort: new AbortController().signal,
};

/**
 * Bursts of a recording of 60 s, whose rests end at once. `attach` says what is attached to next.
 */
function start(
  attach: Attach,
  more: Partial<ConstructorParameters<typeof Bursts>[1]> = {},
): Started {
  const perfs = [new StandIn(60, [HEADER + "a", "b"])];
  const abort = new AbortController();
  const pauses = { count: 0 };
  const bursts = new Bursts(perfs[0], {
    ...PARTS,
    attach(durationSeconds) {
      const perf = attach(perfs, durationSeconds);
      if (perf) perfs.push(perf);
      return Promise.resolve(perf);
    },
    resumed(seconds) {
      assert.ok(seconds >= 0 && seconds < 60, `${seconds}`);
      pauses.count++;
      return Promise.resolve();
    },
    abort: abort.signal,
    ...more,
  });
  const text = (async () => {
    let all = "";
    for await (const chunk of bursts.output) all += new TextDecoder().decode(chunk);
    return all;
  })();
  return { bursts, pauses, perfs, text, abort };
}

/** Attaches to what goes on in chunks that cut its header in two. */
const again = (perfs: StandIn[], durationSeconds: number) =>
  new StandIn(durationSeconds, [HEADER.slice(0, 5), HEADER.slice(5) + perfs.length, "z"]);

Deno.test("Bursts: one perf.data of all perf records, which ends as the last one does", async () => {
  const { bursts, pauses, perfs, text } = start(again);
  for (const burst of [1, 2]) {
    bursts.pause();
    bursts.pause();
    assert.equal(perfs[burst - 1].stops, 1);
    await bursts.sampling;
    assert.equal(perfs.length, burst + 1);
  }
  perfs[2].end({ wholeDuration: true });
  assert.deepEqual(await bursts.exit, { wholeDuration: true });
  assert.equal(await text, HEADER + "ab" + "1z" + "2z");
  assert.equal(pauses.count, 2);
  // For what is left of the time.
  assert.ok(perfs.slice(1).every(({ durationSeconds }) => durationSeconds > 50));
  assert.ok(perfs.slice(1).every(({ durationSeconds }) => durationSeconds < 60));
});

Deno.test("Bursts: without a pause it is the perf record itself", async () => {
  const { bursts, pauses, perfs, text } = start(again);
  bursts.flush();
  const failure = new StatusError("INTERNAL", "perf record failed");
  perfs[0].end({ wholeDuration: false, failure });
  assert.deepEqual(await bursts.exit, { wholeDuration: false, failure });
  assert.equal(await text, HEADER + "ab");
  assert.deepEqual([perfs[0].flushes, pauses.count], [1, 0]);
});

Deno.test("Bursts: a pause that begins before the words about the last one are written is one", async () => {
  const written = Promise.withResolvers<void>();
  const perfs = [new StandIn(60, [HEADER + "a"])];
  const pauses: number[] = [];
  const bursts = new Bursts(perfs[0], {
    ...PARTS,
    attach(durationSeconds) {
      perfs.push(again(perfs, durationSeconds));
      return Promise.resolve(perfs.at(-1));
    },
    resumed(seconds) {
      // perf samples already.
      if (pauses.push(seconds) === 1) bursts.pause();
      return written.promise;
    },
  });
  bursts.pause();
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(perfs.map(({ stops }) => stops), [1, 1]);
  written.resolve();
  await bursts.sampling;
  perfs[2].end({ wholeDuration: true });
  assert.deepEqual(await bursts.exit, { wholeDuration: true });
  assert.equal(pauses.length, 2);
});

Deno.test("Bursts: stopped in a pause it begins nothing again", async () => {
  const { bursts, perfs, text } = start(again);
  bursts.pause();
  bursts.flush();
  bursts.stop();
  assert.deepEqual(await bursts.exit, { wholeDuration: false });
  assert.equal(await text, HEADER + "ab");
  assert.deepEqual([perfs.length, perfs[0].flushes], [1, 0]);
});

Deno.test("Bursts: stopped while it attaches, what it has attached ends, and is in the result", async () => {
  const set = start((perfs, durationSeconds) => {
    set.bursts.stop();
    return again(perfs, durationSeconds);
  });
  set.bursts.pause();
  assert.deepEqual(await set.bursts.exit, { wholeDuration: false });
  assert.equal(await set.text, HEADER + "ab" + "1z");
});

Deno.test("Bursts: with nobody left to attach to it has ended", async () => {
  const { bursts, text } = start(() => undefined);
  bursts.pause();
  assert.deepEqual(await bursts.exit, { wholeDuration: false });
  assert.equal(await text, HEADER + "ab");
});

Deno.test("Bursts: it tries again to attach to what changes meanwhile", async () => {
  let attempts = 0;
  const { bursts, perfs, text } = start((perfs, durationSeconds) => {
    if (attempts++ === 0) throw new StatusError("FAILED_PRECONDITION", "they change");
    return again(perfs, durationSeconds);
  });
  bursts.pause();
  await bursts.sampling;
  perfs[1].end({ wholeDuration: true });
  assert.deepEqual(await bursts.exit, { wholeDuration: true });
  assert.equal(await text, HEADER + "ab" + "1z");
  assert.equal(attempts, 2);
});

Deno.test("Bursts: a pause to the end of the time is a whole recording", async () => {
  const first = new StandIn(0.3, [HEADER]);
  const pauses: number[] = [];
  const bursts = new Bursts(first, {
    ...PARTS,
    rested: (signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
    attach: () => assert.fail("it was attached again"),
    resumed: (seconds) => Promise.resolve(void pauses.push(seconds)),
    durationSeconds: 0.3,
  });
  await bursts.attached;
  bursts.pause();
  assert.deepEqual(await bursts.exit, { wholeDuration: true });
  assert.equal(pauses.length, 1);
});

/** Attaches to quiet threads as well, and ends that as often as there is an answer. */
function startWithQuiet(answers: { mayBeFewer: boolean }[], exit?: RecordExit) {
  const quiet: StandIn[] = [];
  const set = start(again, {
    attachToQuiet(durationSeconds) {
      if (quiet.length === answers.length) return Promise.resolve(undefined);
      quiet.push(new StandIn(durationSeconds, [HEADER + `quiet${quiet.length} `]));
      return Promise.resolve(quiet.at(-1));
    },
    async quietIsOver(signal) {
      const at = quiet.length - 1;
      if (exit) {
        quiet[at].end(exit);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      }
      return answers[at];
    },
  });
  return { ...set, quiet };
}

Deno.test("Bursts: in a rest quiet threads are recorded, fewer when they cost too much", async () => {
  const answers = [{ mayBeFewer: true }, { mayBeFewer: false }];
  const { bursts, pauses, perfs, quiet, text } = startWithQuiet(answers);
  bursts.pause();
  await bursts.sampling;
  assert.deepEqual(quiet.map(({ stops }) => stops), [1, 1]);
  perfs[1].end({ wholeDuration: true });
  assert.deepEqual(await bursts.exit, { wholeDuration: true });
  assert.equal(await text, HEADER + "ab" + "quiet0 " + "quiet1 " + "1z");
  assert.equal(pauses.count, 3);
});

Deno.test("Bursts: it ends while quiet threads are recorded, when the time is over", async () => {
  const set = startWithQuiet([{ mayBeFewer: false }], { wholeDuration: true });
  set.bursts.pause();
  assert.deepEqual(await set.bursts.exit, { wholeDuration: true });
  assert.equal(await set.text, HEADER + "ab" + "quiet0 ");
  assert.equal(set.perfs.length, 1);
});

Deno.test("Bursts: a perf record of quiet threads that fails ends it", async () => {
  const failure = new StatusError("INTERNAL", "perf record failed");
  const set = startWithQuiet([{ mayBeFewer: false }], { wholeDuration: false, failure });
  set.bursts.pause();
  assert.deepEqual(await set.bursts.exit, { wholeDuration: false, failure });
});

Deno.test("Bursts: when all quiet threads have ended the others are recorded", async () => {
  const set = startWithQuiet([{ mayBeFewer: false }], { wholeDuration: false });
  set.bursts.pause();
  await set.bursts.sampling;
  set.perfs[1].end({ wholeDuration: true });
  assert.deepEqual(await set.bursts.exit, { wholeDuration: true });
  assert.equal(await set.text, HEADER + "ab" + "quiet0 " + "1z");
});

Deno.test("Bursts: stopped while quiet threads are recorded it keeps those, and begins nothing", async () => {
  const quiet = new StandIn(60, [HEADER + "quiet"]);
  const watching = Promise.withResolvers<void>();
  const set = start(again, {
    attachToQuiet: () => Promise.resolve(quiet),
    quietIsOver(signal) {
      watching.resolve();
      return new Promise((resolve) =>
        signal.addEventListener("abort", () => resolve({ mayBeFewer: false }))
      );
    },
  });
  set.bursts.pause();
  await watching.promise;
  set.bursts.flush();
  set.bursts.stop();
  assert.deepEqual(await set.bursts.exit, { wholeDuration: false });
  assert.equal(await set.text, HEADER + "ab" + "quiet");
  assert.deepEqual([quiet.flushes, set.perfs.length], [1, 1]);
});

Deno.test("Bursts: quiet threads that cannot be attached to are left out", async () => {
  const set = start(again, {
    attachToQuiet: () => Promise.reject(new StatusError("FAILED_PRECONDITION", "they change")),
  });
  set.bursts.pause();
  await set.bursts.sampling;
  set.perfs[1].end({ wholeDuration: true });
  assert.deepEqual(await set.bursts.exit, { wholeDuration: true });
  assert.equal(await set.text, HEADER + "ab" + "1z");
});
