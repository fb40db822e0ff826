import { parsePerfScript } from "../../../cli/script/parse.ts";
import { toFrame } from "../../../cli/script/sample.ts";
import type { EventProfile, Frame, StackProfile } from "../../../cli/script/stack_profile.ts";

/** What `foldPerfScript` has to return, by looking for everything in all that was found before. */
export async function plainFold(input: AsyncIterable<Uint8Array>): Promise<StackProfile> {
  const frames: Frame[] = [];
  const events: EventProfile[] = [];
  const profile: StackProfile = { frames, events, samples: 0, skippedLines: 0, truncated: false };
  const samples = parsePerfScript(input, { onEnd: (summary) => Object.assign(profile, summary) });
  for await (
    const { command, event: name, frames: leafFirst, period = 1, timeSeconds } of samples
  ) {
    const ids = leafFirst.map(toFrame).map(({ symbol, dso }) => {
      const id = frames.findIndex((frame) => frame.symbol === symbol && frame.dso === dso);
      return id === -1 ? frames.push({ symbol, dso }) - 1 : id;
    }).reverse();
    let event = events.find(({ event }) => event === name);
    if (!event) events.push(event = { event: name, stacks: [], samples: 0, weight: 0 });
    let stack = event.stacks.find((stack) =>
      stack.command === command && stack.frames.join() === ids.join()
    );
    if (!stack) {
      stack = { command, frames: Uint32Array.from(ids), samples: 0, weight: 0 };
      event.stacks.push(stack);
    }
    for (const counts of [stack, event]) {
      counts.samples++;
      counts.weight += period;
    }
    if (timeSeconds === undefined) continue;
    profile.startSeconds = Math.min(profile.startSeconds ?? Infinity, timeSeconds);
    profile.endSeconds = Math.max(profile.endSeconds ?? -Infinity, timeSeconds);
  }
  return profile;
}
