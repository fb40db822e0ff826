import assert from "node:assert/strict";
import type { RecordOptions__Output } from "../../../proto/gen/necoperf/RecordOptions.ts";
import {
  checkRecordingOptions,
  DEFAULT_LIMITS,
  type DurationField,
} from "../../../daemon/recordings/recording_options.ts";
import { StatusError } from "../../../daemon/status_error.ts";

const SECOND: DurationField = { field: "duration", message: { seconds: 1, nanos: 0 } };

/** An options message as it arrives from the wire, where nothing but `fields` was set. */
function message(fields: Record<string, unknown>): RecordOptions__Output {
  return {
    frequency: 0,
    events: [],
    callGraph: "CALL_GRAPH_UNSPECIFIED",
    stackSize: 0,
    side: "SIDE_UNSPECIFIED",
    inline: false,
    format: "FORMAT_UNSPECIFIED",
    mainProcess: false,
    threadTime: "THREAD_TIME_UNSPECIFIED",
    ...fields,
  } as RecordOptions__Output;
}

function refusal(duration: DurationField, fields: Record<string, unknown> = {}): string {
  try {
    checkRecordingOptions(duration, message(fields), DEFAULT_LIMITS);
  } catch (error) {
    assert.ok(error instanceof StatusError);
    assert.equal(error.status, "INVALID_ARGUMENT");
    return error.message;
  }
  throw new assert.AssertionError({ message: "it was not refused" });
}

Deno.test("checkRecordingOptions: a request that sets nothing gets the documented defaults", () => {
  const defaults = {
    durationSeconds: 1,
    frequencyHz: 99,
    events: [],
    callGraph: "fp",
    stackSizeBytes: 8192,
    side: "allowed",
    inline: false,
    format: "script",
    mainProcess: false,
  };
  assert.deepEqual(checkRecordingOptions(SECOND, message({}), DEFAULT_LIMITS), defaults);
  assert.deepEqual(checkRecordingOptions(SECOND, null, DEFAULT_LIMITS), defaults);
});

Deno.test("checkRecordingOptions: defaults keep to limits that are below them", () => {
  const limits = { ...DEFAULT_LIMITS, maxFrequencyHz: 10, maxStackSizeBytes: 1024 };
  const options = checkRecordingOptions(SECOND, null, limits);
  assert.equal(options.frequencyHz, 10);
  assert.equal(options.stackSizeBytes, 1024);
});

Deno.test("checkRecordingOptions: what a request sets is kept", () => {
  const options = checkRecordingOptions(
    { field: "interval", seconds: 600 },
    message({
      frequency: 1000,
      events: ["cycles", "cycles", "page-faults"],
      callGraph: "CALL_GRAPH_DWARF",
      stackSize: 65528,
      side: "SIDE_USER",
      inline: true,
      format: "FORMAT_DATA",
      mainProcess: true,
    }),
    DEFAULT_LIMITS,
  );
  assert.deepEqual(options, {
    durationSeconds: 600,
    frequencyHz: 1000,
    events: ["cycles", "page-faults"],
    callGraph: "dwarf",
    stackSizeBytes: 65528,
    side: "user",
    inline: true,
    format: "data",
    mainProcess: true,
  });
});

Deno.test("checkRecordingOptions: each value beyond its limit is refused with field, value and limit", () => {
  assert.match(refusal({ field: "interval", seconds: 601 }), /^interval: 10m1s .*limit of 10m /);
  assert.match(refusal({ field: "interval", seconds: 0 }), /^interval: 0ms is not above zero/);
  assert.match(refusal({ field: "interval", seconds: -5 }), /^interval: -5s is not above zero/);
  assert.match(refusal({ field: "timeout", message: null }), /^timeout: 0ms is not above zero/);
  assert.match(
    refusal({ field: "duration", message: { seconds: 600, nanos: 1_000_000 } }),
    /^duration: 10m0.001s is above/,
  );
  assert.match(refusal(SECOND, { frequency: 1001 }), /^frequency: 1001 Hz .*limit of 1000 Hz/);
  assert.match(
    refusal(SECOND, { callGraph: "CALL_GRAPH_DWARF", stackSize: 65536 }),
    /^stack_size: 65536 bytes .*limit of 65528/,
  );
  assert.match(
    refusal(SECOND, { callGraph: "CALL_GRAPH_DWARF", stackSize: 1001 }),
    /^stack_size: 1001 is not a multiple of 8/,
  );
  assert.match(refusal(SECOND, { stackSize: 1024 }), /^stack_size: 1024 goes with/);
  assert.match(refusal(SECOND, { events: Array(9).fill("cycles") }), /^events: 9 .*limit of 8/);
});

Deno.test("checkRecordingOptions: threads' time is recorded where it can be and is allowed", () => {
  const timed = (threadTime: string, fields = {}, limits = DEFAULT_LIMITS) =>
    checkRecordingOptions(SECOND, message({ threadTime, ...fields }), limits).threadTime;
  assert.equal(timed("THREAD_TIME_UNSPECIFIED"), undefined);
  assert.equal(timed("THREAD_TIME_ALL"), "all");
  assert.equal(timed("THREAD_TIME_OFF_CPU", { side: "SIDE_USER" }), "off-cpu");
  const all = { threadTime: "THREAD_TIME_ALL" };
  assert.match(refusal(SECOND, { ...all, events: ["cycles"] }), /^thread_time: .*'events'/);
  assert.match(refusal(SECOND, { ...all, format: "FORMAT_DATA" }), /^thread_time: .*FORMAT_SCRIPT/);
  assert.match(refusal(SECOND, { ...all, side: "SIDE_KERNEL" }), /^thread_time: .*SIDE_KERNEL/);
  for (const callGraph of ["CALL_GRAPH_LBR", "CALL_GRAPH_NONE"]) {
    assert.match(refusal(SECOND, { ...all, callGraph }), /^thread_time: .*CALL_GRAPH_DWARF/);
  }
  assert.match(refusal(SECOND, { threadTime: 3 }), /^thread_time: "3" is not one of/);
  const none = { ...DEFAULT_LIMITS, threadTimeBytesPerSecond: 0 };
  assert.throws(() => timed("THREAD_TIME_ALL", {}, none), /--thread-time-budget=0/);
  assert.equal(timed("THREAD_TIME_UNSPECIFIED", {}, none), undefined);
});

Deno.test("checkRecordingOptions: numbers that the protocol's enums do not have are refused", () => {
  assert.match(refusal(SECOND, { callGraph: 99 }), /^call_graph: "99" is not one of/);
  assert.match(refusal(SECOND, { side: 7 }), /^side: "7" is not one of/);
  assert.match(refusal(SECOND, { format: "constructor" }), /^format: "constructor" is not one of/);
});

Deno.test("checkRecordingOptions: no event name but an allowed one passes", () => {
  const smuggled = [
    "foo",
    "cycles:u",
    "cycles,instructions",
    " cycles",
    "cycles --output=/etc/passwd",
    "--output=/tmp/x",
    "-o/tmp/x",
    "cycles; touch /tmp/x",
    "$(touch /tmp/x)",
    "`touch /tmp/x`",
    "/tmp/evil.o",
    "../../evil.c",
    "cpu/config=1,name=cycles/",
    "cycles\0",
    "cycles\n",
    "",
    "__proto__",
    "CYCLES",
  ];
  for (const event of smuggled) {
    assert.match(refusal(SECOND, { events: [event] }), /^events: ".*not among/, event);
  }
});

Deno.test("checkRecordingOptions: a long or wild event name does not reach the message whole", () => {
  const words = refusal(SECOND, { events: ["\u001b[31m" + "x".repeat(1_000_000)] });
  assert.ok(words.length < 1000, `${words.length} characters`);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(words, /[\u0000-\u001f\u007f]/);
});
