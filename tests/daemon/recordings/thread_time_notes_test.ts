import assert from "node:assert/strict";
import type { ThreadTimes } from "../../../daemon/containers/container.ts";
import {
  beginningNotes,
  endNotes,
  pauseNotes,
} from "../../../daemon/recordings/thread_time_notes.ts";

function thread(tid: number, times: [number, number, number], more = {}): ThreadTimes {
  const [runNs, delayNs, turns] = times;
  return { pid: 7, tid, startTicks: 100, comm: "web", runNs, delayNs, turns, ...more };
}

Deno.test("beginningNotes: what is recorded, and when it began where that is known", () => {
  const all = "# necoperf: thread-time all\n# necoperf: began 33707.8\n";
  assert.equal(beginningNotes("all", 33707.8), all);
  assert.equal(beginningNotes("off-cpu", undefined), "# necoperf: thread-time off-cpu\n");
});

Deno.test("pauseNotes: threads that had no turn are named, those that had one or are new are not", () => {
  const before = [
    thread(7, [1, 0, 3]),
    thread(8, [1, 0, 4]),
    thread(9, [1, 0, 5], { startTicks: 50 }),
    thread(10, [1, 0, 6], { pid: 6 }),
    thread(12, [1, 0, 7]),
  ];
  const after = [
    thread(7, [1, 0, 3]),
    thread(8, [1, 0, 5]),
    thread(9, [1, 0, 5]),
    thread(10, [1, 0, 6]),
    thread(11, [1, 0, 6]),
    thread(12, [1, 0, 7]),
  ];
  assert.equal(
    pauseNotes({ before, after, watched: [], seconds: 0.25, endedAt: 12.5 }),
    "# necoperf: still 7/7 7/12\n# necoperf: paused 0.250000 12.5\n",
  );
  assert.equal(
    pauseNotes({ before: [], after, watched: after.slice(3), seconds: 2, endedAt: undefined }),
    "# necoperf: watched 7/10 7/11 7/12\n# necoperf: paused 2.000000\n",
  );
});

Deno.test("pauseNotes: many threads take several lines", () => {
  const threads = Array.from({ length: 300 }, (_, index) => thread(1_000_000 + index, [1, 0, 3]));
  const text = pauseNotes({
    ...{ before: threads, after: threads, watched: [] },
    ...{ seconds: 1, endedAt: 1 },
  });
  const lines = text.split("\n").slice(0, -1);
  assert.equal(lines.length, 4);
  assert.ok(lines.every((line) => line.length < 4096));
  const named = lines.slice(0, 3).flatMap((line) => line.split(" ").slice(3));
  assert.deepEqual(named, threads.map(({ tid }) => `7/${tid}`));
});

Deno.test("endNotes: what the kernel counted of each thread meanwhile", () => {
  const text = endNotes({
    seconds: 2.5,
    before: [
      thread(7, [1000, 10, 3]),
      thread(8, [5000, 20, 4]),
      thread(9, [900, 0, 1], { startTicks: 50 }),
      thread(10, [1, 1, 1]),
    ],
    after: [
      thread(7, [1500, 10, 5]),
      // It has another name since; a thread that was not there yet; and one of an old one's number.
      thread(8, [5000, 20, 4], { comm: "pool 1" }),
      thread(11, [70, 80, 9]),
      thread(9, [1900, 3, 2], { startTicks: 120 }),
    ],
  });
  assert.deepEqual(text.split("\n"), [
    "# necoperf: duration 2.500000",
    "# necoperf: thread 7/7 500 0 2 web",
    "# necoperf: thread 7/8 0 0 0 pool 1",
    "# necoperf: started 7/11 1.00",
    "# necoperf: thread 7/11 70 80 9 web",
    "# necoperf: started 7/9 1.20",
    "# necoperf: thread 7/9 1900 3 2 web",
    "",
  ]);
});

Deno.test("endNotes: a thread's name makes no line of its own", () => {
  const after = [
    thread(7, [1, 2, 3], { comm: "a\n# necoperf" }),
    thread(8, [1, 2, 3], { comm: "" }),
  ];
  const text = endNotes({ seconds: 1, before: [], after });
  assert.deepEqual(text.split("\n").slice(1), [
    "# necoperf: started 7/7 1.00",
    "# necoperf: thread 7/7 1 2 3 a?# necoperf",
    "# necoperf: started 7/8 1.00",
    "# necoperf: thread 7/8 1 2 3 ",
    "",
  ]);
});
