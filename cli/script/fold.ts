import { parsePerfScript } from "./parse.ts";
import type { EventProfile, Frame, Stack, StackProfile } from "./stack_profile.ts";

/**
 * Counts the stacks of what `perf script` printed. Its memory grows with the number of different
 * stacks, and not with the number of samples.
 *
 * Whatever the text is, it does not throw; see {@linkcode StackProfile.skippedLines} and
 * {@linkcode StackProfile.truncated}. It rejects only as `input` does.
 */
export async function foldPerfScript(input: AsyncIterable<Uint8Array>): Promise<StackProfile> {
  const profile: StackProfile = {
    frames: [],
    events: [],
    samples: 0,
    skippedLines: 0,
    truncated: false,
  };
  const frameIds = new Map<string, number>();
  const events = new Map<string, { profile: EventProfile; stacks: Map<string, Stack> }>();

  function frameId({ symbol, dso }: Frame): number {
    const key = `${symbol}\n${dso}`;
    let id = frameIds.get(key);
    if (id === undefined) {
      id = profile.frames.push({ symbol, dso }) - 1;
      frameIds.set(key, id);
    }
    return id;
  }

  for await (
    const sample of parsePerfScript(input, { onEnd: (summary) => Object.assign(profile, summary) })
  ) {
    const { command, event, timeSeconds, period: weight = 1 } = sample;
    let entry = events.get(event);
    if (!entry) {
      entry = { profile: { event, stacks: [], samples: 0, weight: 0 }, stacks: new Map() };
      events.set(event, entry);
      profile.events.push(entry.profile);
    }
    const frames = Uint32Array.from(sample.frames.reverse(), frameId);
    const key = `${frames.join()} ${command}`;
    let stack = entry.stacks.get(key);
    if (!stack) {
      stack = { command, frames, samples: 0, weight: 0 };
      entry.stacks.set(key, stack);
      entry.profile.stacks.push(stack);
    }
    for (const counts of [stack, entry.profile]) {
      counts.samples++;
      counts.weight += weight;
    }
    if (timeSeconds !== undefined) {
      profile.startSeconds = Math.min(profile.startSeconds ?? timeSeconds, timeSeconds);
      profile.endSeconds = Math.max(profile.endSeconds ?? timeSeconds, timeSeconds);
    }
  }
  return profile;
}
