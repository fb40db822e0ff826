import { frameKind } from "../script/frame_kind.ts";
import type { StackProfile } from "../script/stack_profile.ts";
import { isClockEvent } from "./clock_event.ts";
import { frameName } from "./frame_name.ts";
import { ProtobufWriter } from "./protobuf_writer.ts";

/** Fields of the messages in https://github.com/google/pprof/blob/main/proto/profile.proto */
const PROFILE = {
  sampleType: 1,
  sample: 2,
  mapping: 3,
  location: 4,
  function: 5,
  stringTable: 6,
  durationNanos: 10,
  periodType: 11,
  period: 12,
  defaultSampleType: 14,
};
const VALUE_TYPE = { type: 1, unit: 2 };
const SAMPLE = { locationId: 1, value: 2, label: 3 };
const LABEL = { key: 1, str: 2 };
const MAPPING = { id: 1, filename: 5, hasFunctions: 7 };
const LOCATION = { id: 1, mappingId: 2, line: 4 };
const LINE = { functionId: 1 };
const FUNCTION = { id: 1, name: 2, systemName: 3 };

/**
 * Writes a profile in pprof's format, not compressed, message by message. A sample has two values
 * for each event: how many there were, and what they stand for, which is `cpu` in nanoseconds for a
 * clock and else the event's own count. The thread's name is the label `thread`.
 */
export function* pprofMessages(profile: StackProfile): Generator<Uint8Array<ArrayBuffer>> {
  const { frames, events, startSeconds = 0, endSeconds = 0 } = profile;
  const strings = new Map([["", 0]]);
  const string = (text: string) => {
    if (!strings.has(text)) strings.set(text, strings.size);
    return strings.get(text)!;
  };
  const message = (field: number, write: (writer: ProtobufWriter) => void) =>
    new ProtobufWriter().message(field, write).finish();
  const valueType = (field: number, type: string, unit: string) =>
    message(field, (writer) =>
      writer
        .number(VALUE_TYPE.type, string(type))
        .number(VALUE_TYPE.unit, string(unit)));

  const typeOf = (event: string): [type: string, unit: string] =>
    isClockEvent(event) ? ["cpu", "nanoseconds"] : [event || "events", "count"];
  for (const { event } of events) {
    yield valueType(
      PROFILE.sampleType,
      events.length === 1 ? "samples" : `samples of ${event}`,
      "count",
    );
    yield valueType(PROFILE.sampleType, ...typeOf(event));
  }
  const [{ event, samples, weight }] = events;
  yield valueType(PROFILE.periodType, ...typeOf(event));
  yield new ProtobufWriter()
    .number(PROFILE.defaultSampleType, string(typeOf(event)[0]))
    .number(PROFILE.period, Math.round(weight / samples))
    .number(PROFILE.durationNanos, Math.round((endSeconds - startSeconds) * 1e9))
    .finish();

  const mappings = new Map(filesOf(profile).map((file, index) => [file, index + 1]));
  for (const [file, id] of mappings) {
    yield message(PROFILE.mapping, (writer) =>
      writer
        .number(MAPPING.id, id)
        .number(MAPPING.filename, string(file))
        .number(MAPPING.hasFunctions, 1));
  }
  for (const [index, frame] of frames.entries()) {
    const id = index + 1;
    yield message(PROFILE.function, (writer) =>
      writer
        .number(FUNCTION.id, id)
        .number(FUNCTION.name, string(frameName(frame)))
        .number(FUNCTION.systemName, string(frame.symbol)));
    yield message(PROFILE.location, (writer) =>
      writer
        .number(LOCATION.id, id)
        .number(LOCATION.mappingId, mappings.get(frame.dso) ?? 0)
        .message(LOCATION.line, (line) => line.number(LINE.functionId, id)));
  }
  for (const [index, { stacks }] of events.entries()) {
    const before = new Array<number>(2 * index).fill(0);
    const after = new Array<number>(2 * (events.length - index - 1)).fill(0);
    for (const { command, frames, samples, weight } of stacks) {
      yield message(PROFILE.sample, (writer) =>
        writer
          .numbers(SAMPLE.locationId, frames.toReversed().map((frame) => frame + 1))
          .numbers(SAMPLE.value, [...before, samples, weight, ...after])
          .message(SAMPLE.label, (label) =>
            label
              .number(LABEL.key, string("thread"))
              .number(LABEL.str, string(command))));
    }
  }
  for (const text of strings.keys()) {
    yield new ProtobufWriter().string(PROFILE.stringTable, text).finish();
  }
}

/** The files that functions are in. pprof calls a profile after the first: the busiest program. */
function filesOf({ frames, events }: StackProfile): string[] {
  const samples = new Map<string, number>();
  for (const { dso } of frames) if (dso && dso !== "inlined") samples.set(dso, 0);
  for (const stack of events.flatMap(({ stacks }) => stacks)) {
    const leaf = frames[stack.frames.at(-1) ?? -1];
    if (leaf && samples.has(leaf.dso) && frameKind(leaf) === "user") {
      samples.set(leaf.dso, samples.get(leaf.dso)! + stack.samples);
    }
  }
  return [...samples.keys()].sort((a, b) => samples.get(b)! - samples.get(a)!);
}
