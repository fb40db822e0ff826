import { frameKind } from "../script/frame_kind.ts";
import type { EventProfile, StackProfile } from "../script/stack_profile.ts";
import { THINNED } from "../script/time_events.ts";
import { isCpuTime, weightUnit } from "./event_unit.ts";
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
  comment: 13,
  defaultSampleType: 14,
};
const VALUE_TYPE = { type: 1, unit: 2 };
const SAMPLE = { locationId: 1, value: 2, label: 3 };
const LABEL = { key: 1, str: 2 };
const MAPPING = { id: 1, filename: 5, hasFunctions: 7 };
const LOCATION = { id: 1, mappingId: 2, line: 4 };
const LINE = { functionId: 1 };
const FUNCTION = { id: 1, name: 2, systemName: 3 };

/** The largest number that a value can be. */
const MAX_VALUE = 2n ** 63n - 1n;

/**
 * Writes a profile in pprof's format, not compressed, message by message. A sample has two values
 * for each event: how many there were, and what they stand for, which is `cpu` in nanoseconds for a
 * clock and else what the event counts, by its name. The thread's name is the label `thread`. How
 * threads' time was thinned is a comment (`go tool pprof -comments`).
 *
 * pprof adds values up: where their sum would be too large for it, all of them are made smaller.
 */
export function* pprofMessages(profile: StackProfile): Generator<Uint8Array<ArrayBuffer>> {
  const { frames, events, durationSeconds = 0 } = profile;
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

  const hasOneClock = events.filter(({ event }) => isCpuTime(event)).length === 1;
  const typeOf = (profile: EventProfile): [type: string, unit: string] => {
    const unit = weightUnit(profile);
    const isCpu = isCpuTime(profile.event) && hasOneClock && unit === "nanoseconds";
    return [isCpu ? "cpu" : profile.event || "events", unit];
  };
  for (const each of events) {
    const type = events.length === 1 ? "samples" : `samples of ${each.event}`;
    yield valueType(PROFILE.sampleType, type, "count");
    yield valueType(PROFILE.sampleType, ...typeOf(each));
  }
  const [main] = events;
  yield valueType(PROFILE.periodType, ...typeOf(main));
  yield new ProtobufWriter()
    .number(PROFILE.defaultSampleType, string(typeOf(main)[0]))
    .number(
      PROFILE.period,
      Math.min(Math.round(main.weight / main.samples), Number.MAX_SAFE_INTEGER),
    )
    .number(PROFILE.durationNanos, Math.round(durationSeconds * 1e9))
    .finish();

  for (const sentence of profile.thinned ?? []) {
    yield new ProtobufWriter().number(PROFILE.comment, string(`${THINNED}${sentence}`)).finish();
  }
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
  for (const [index, { stacks, ...total }] of events.entries()) {
    const valueOf = scaled(exactWeight(total));
    const before = new Array<number>(2 * index).fill(0);
    const after = new Array<number>(2 * (events.length - index - 1)).fill(0);
    for (const { command, frames, samples, ...stack } of stacks) {
      yield message(PROFILE.sample, (writer) =>
        writer
          .numbers(SAMPLE.locationId, frames.toReversed().map((frame) => frame + 1))
          .numbers(SAMPLE.value, [...before, samples, valueOf(exactWeight(stack)), ...after])
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

function exactWeight({ weight, exactWeight }: { weight: number; exactWeight?: bigint }): bigint {
  return exactWeight ?? BigInt(weight);
}

/** Makes values smaller whose sum is too large, so that it is the largest that there is. */
function scaled(sum: bigint): (value: bigint) => bigint {
  return sum <= MAX_VALUE ? (value) => value : (value) => value * MAX_VALUE / sum;
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
