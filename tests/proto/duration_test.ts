import assert from "node:assert/strict";
import { formatDuration, fromDuration, parseDuration, toDuration } from "../../proto/duration.ts";

Deno.test("parseDuration: reads what people write", () => {
  const cases: [string, number][] = [
    ["30", 30],
    ["30s", 30],
    ["1m30s", 90],
    ["1.5h", 5400],
    ["500ms", 0.5],
    ["1h1m1s1ms", 3661.001],
  ];
  for (const [text, seconds] of cases) assert.equal(parseDuration(text), seconds, text);
});

Deno.test("parseDuration: refuses other texts and names them", () => {
  for (
    const text of ["", "abc", "-1", "-1s", "1 s", "s", "1d", "1e3", "0x10", "1s30", "NaN", "١"]
  ) {
    assert.throws(() => parseDuration(text), (error: Error) => {
      assert.ok(error instanceof RangeError);
      assert.ok(error.message.includes(`'${text}'`), error.message);
      return true;
    });
  }
});

Deno.test("parseDuration: refuses zero", () => {
  for (const text of ["0", "0s", "0h0m", "0.0"]) {
    assert.throws(() => parseDuration(text), /is not above zero/);
  }
});

Deno.test("formatDuration: uses the largest units that fit", () => {
  const cases: [number, string][] = [
    [0, "0ms"],
    [0.25, "250ms"],
    [1, "1s"],
    [1.5, "1.5s"],
    [60, "1m"],
    [90, "1m30s"],
    [3600, "1h"],
    [36_061.5, "10h1m1.5s"],
    [-90, "-1m30s"],
    [59.9999, "1m"],
  ];
  for (const [seconds, text] of cases) assert.equal(formatDuration(seconds), text);
});

Deno.test("toDuration: a Duration message keeps the seconds it was made of", () => {
  assert.deepEqual(toDuration(1.5), { seconds: 1, nanos: 500_000_000 });
  assert.equal(fromDuration({ seconds: 1, nanos: 500_000_000 }), 1.5);
  assert.deepEqual(toDuration(-1.5), { seconds: -1, nanos: -500_000_000 });
  assert.equal(fromDuration(null), 0);
});
