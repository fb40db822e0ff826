import type { Frame, StackProfile } from "../script/stack_profile.ts";
import { weightUnit } from "./event_unit.ts";
import { frameName } from "./frame_name.ts";
import { joinWithCommas } from "./join_with_commas.ts";

/**
 * Writes a profile for https://www.speedscope.app: a sampled profile for each event, in which the
 * thread's name is the root of each stack.
 *
 * The format is of https://www.speedscope.app/file-format-schema.json.
 */
export function* speedscopeText(profile: StackProfile, name: string): Generator<string> {
  const { frames, events } = profile;
  const threads = new Map<string, number>();
  for (const { command } of events.flatMap(({ stacks }) => stacks)) {
    if (!threads.has(command)) threads.set(command, frames.length + threads.size);
  }
  yield `{"$schema":"https://www.speedscope.app/file-format-schema.json","exporter":"necoperf",`;
  yield `"name":${JSON.stringify(name)},"shared":{"frames":[`;
  yield* joinWithCommas(frames, (frame) => JSON.stringify(frameOf(frame)));
  if (frames.length > 0 && threads.size > 0) yield ",";
  yield* joinWithCommas(threads.keys(), (name) => JSON.stringify({ name: name || "[no name]" }));
  yield `]},"profiles":[`;
  for (const [index, profile] of events.entries()) {
    const { event, stacks, weight } = profile;
    const unit = weightUnit(profile) === "count" ? "none" : weightUnit(profile);
    if (index > 0) yield ",";
    yield `{"type":"sampled","name":${JSON.stringify(event || "samples")},"unit":"${unit}",`;
    yield `"startValue":0,"endValue":${weight},"samples":[`;
    yield* joinWithCommas(
      stacks,
      ({ command, frames }) => `[${[threads.get(command), ...frames]}]`,
    );
    yield `],"weights":[`;
    yield* joinWithCommas(stacks, ({ weight }) => `${weight}`);
    yield "]}";
  }
  yield "]}\n";
}

/** speedscope takes functions of one name and file for one, and shows the file beside the name. */
function frameOf(frame: Frame): { name: string; file?: string } {
  return { name: frameName(frame), file: frame.dso || undefined };
}
