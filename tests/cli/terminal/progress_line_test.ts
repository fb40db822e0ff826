import assert from "node:assert/strict";
import { createProgressLine } from "../../../cli/terminal/progress_line.ts";
import type { RecordingEvent } from "../../../cli/client/recording/recording_event.ts";

/** A line, and a clock that stands still but for `after`. */
function open(durationSeconds?: number) {
  let now = 5000;
  const line = createProgressLine(durationSeconds, () => now);
  return {
    onEvent: (...events: RecordingEvent[]) => events.forEach(line.onEvent),
    after: (seconds: number) => now += seconds * 1000,
    at: (columns = 80) => line.render(columns),
  };
}

const STARTED: RecordingEvent = { kind: "started", recordingId: "1", processes: 1 };

Deno.test("createProgressLine: shows the place in the queue", () => {
  const { onEvent, at } = open(10);
  assert.equal(at(), "asking the daemon");
  onEvent({ kind: "queued", ahead: 2, sameContainer: false });
  assert.equal(at(), "waiting: 2 recordings before this one");
});

Deno.test("createProgressLine: shows how far a recording is, by the daemon's clock", () => {
  const { onEvent, at, after } = open(10);
  onEvent(STARTED);
  after(2);
  assert.equal(at(), "recording [======>                       ] 8s left");
  onEvent({ kind: "progress", elapsedSeconds: 5, samples: 470, lostSamples: 0 });
  assert.equal(at(), "recording [===============>              ] 5s left, 470 samples");
  onEvent({ kind: "progress", elapsedSeconds: 9.5, samples: 940, lostSamples: 3 });
  after(2);
  assert.equal(at(), `recording [${"=".repeat(30)}] ending, 940 samples, 3 lost`);
});

Deno.test("createProgressLine: the bar is what a narrow terminal has no room for", () => {
  const { onEvent, at, after } = open(10);
  onEvent(STARTED);
  after(5);
  assert.equal(at(30), "recording [====>   ] 5s left");
  assert.equal(at(27), "recording, 5s left");
});

Deno.test("createProgressLine: shows what has arrived while the daemon converts, and of how much once it is known", () => {
  const { onEvent, at, after } = open(10);
  onEvent(STARTED, { kind: "downloading", receivedBytes: 1000 });
  assert.match(at(), /^recording /);
  onEvent({ kind: "converting" });
  assert.equal(at(), "converting, 1.0 kB so far");
  onEvent({ kind: "downloading", receivedBytes: 1_000_000 });
  after(2);
  onEvent({ kind: "downloading", receivedBytes: 5_000_000, totalBytes: 10_000_000 });
  assert.equal(
    at(),
    "downloading [===============>              ] 5.0 MB of 10.0 MB, 2.0 MB/s",
  );
});

Deno.test("createProgressLine: shows a download alone", () => {
  const { onEvent, at } = open();
  onEvent({ kind: "downloading", receivedBytes: 4200 });
  assert.equal(at(), "downloading, 4.2 kB so far");
});

Deno.test("createProgressLine: shows a lost connection until something arrives again", () => {
  const { onEvent, at, after } = open(10);
  onEvent(STARTED, { kind: "lost", reason: "it is down", retryTimeoutSeconds: 60 });
  after(15);
  assert.equal(at(), "connection lost, trying again for 45s");
  onEvent({ kind: "progress", elapsedSeconds: 10, samples: 7, lostSamples: 0 });
  assert.match(at(), /^recording .* 7 samples$/);
});

Deno.test("createProgressLine: begins anew with another recording", () => {
  const { onEvent, at } = open(10);
  onEvent(
    STARTED,
    { kind: "progress", elapsedSeconds: 5, samples: 470, lostSamples: 0 },
    { kind: "recording again" },
  );
  assert.equal(at(), "asking the daemon");
  onEvent(STARTED);
  assert.equal(at(), "recording [>                             ] 10s left");
});

Deno.test("createProgressLine: says that sampling was told to stop", () => {
  const { onEvent, at } = open(10);
  onEvent(STARTED, { kind: "stopping", sampling: true });
  assert.match(at(), /^recording \[.*\] stopping$/);
});
