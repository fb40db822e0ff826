/**
 * Threads' time as the client makes it of what real perfs print, against what the kernel and the
 * program itself have counted.
 */
import assert from "node:assert/strict";
import { parsePerfScript } from "../../cli/script/parse.ts";
import type { Sample } from "../../cli/script/sample.ts";
import { createTimeTextMaker } from "../../cli/script/time_text.ts";
import { inChunks } from "../cli/script/recordings.ts";
import { findPerfs } from "../testing/perfs.ts";
import { buildTargets } from "../testing/targets.ts";
import { recordSwitches, startWaits, sumOf } from "../testing/thread_time.ts";

const EVENTS = ["cpu-clock", "offcpu-time", "run-delay"];

async function* timeText(text: string): AsyncGenerator<Uint8Array> {
  const maker = createTimeTextMaker();
  for await (const chunk of inChunks(new TextEncoder().encode(text), 65536)) {
    yield* maker.push(chunk);
  }
  yield* maker.finish();
}

async function samplesOf(text: string): Promise<Sample[]> {
  const samples: Sample[] = [];
  for await (const sample of parsePerfScript(timeText(text))) samples.push(sample);
  return samples;
}

function assertNear(actual: number, wanted: number, within: number, what: string): void {
  const difference = Math.abs(actual - wanted);
  assert.ok(difference <= within, `${what}: ${actual / 1e6} ms, and not ${wanted / 1e6} ms`);
}

interface Case {
  name: string;
  args: string[];
  turns?: { onMs: number; offMs: number };
  seconds: number;
  /** How far the time on a stack may be from what the program has counted. */
  within: number;
}

const CASES: Case[] = [
  { name: "says what threads do with their time", args: [], seconds: 8, within: 0.05 },
  {
    // A fifth is watched, in ten pieces: how long rounds take on a busy machine is seen of a few
    // only.
    name: "estimates what nobody watched",
    args: ["chatty"],
    turns: { onMs: 240, offMs: 970 },
    seconds: 12,
    within: 0.5,
  },
];

for (const perf of findPerfs()) {
  for (const { name, args, turns, seconds: wanted, within } of CASES) {
    Deno.test(`createTimeTextMaker: ${perf.version} ${name}`, async () => {
      const targets = await buildTargets();
      await using waits = await startWaits(targets.waits, ...args);
      const { text, counted, beganSeconds, seconds } = await recordSwitches(perf, {
        pids: await waits.pids(),
        seconds: wanted,
        turns,
      });
      const known = await waits.between(beganSeconds, beganSeconds + seconds);
      const samples = await samplesOf(text);
      const lifeNs = seconds * 1e9;
      for (const { tid, command, runNs, delayNs } of counted.values()) {
        const of = (event: string) =>
          sumOf(samples, (one) => one.tid === tid && one.event === event);
        const [running, blocked, waiting] = EVENTS.map(of);
        assertNear(running + blocked + waiting, lifeNs, 0.02 * lifeNs, `${command}: life`);
        assertNear(running, runNs, 0.02 * runNs + 2e6, `${command}: running`);
        assertNear(waiting, delayNs, 0.02 * delayNs + 2e6, `${command}: waiting`);
        assertNear(blocked, lifeNs - runNs - delayNs, 0.02 * lifeNs, `${command}: blocked`);
      }
      const chat = samples.filter(({ command, event }) =>
        command === "chatty" && event === "offcpu-time"
      );
      const atPipes = sumOf(
        chat,
        ({ frames }) => frames.some(({ symbol }) => /^__libc_(read|write)$/.test(symbol)),
      );
      const blockedChat = sumOf(chat, () => true);
      assertNear(atPipes, blockedChat, 0.1 * blockedChat, "chatty: at pipes");
      // How long threads waited for a processor after each wait is known of all their waits
      // together: on a machine that is busy with other things that makes some of them longer, some
      // shorter.
      const delays = [...counted.values()].filter(({ command }) => !/chatty|spinner/.test(command))
        .map(({ delayNs }) => delayNs);
      const latencyNs = Math.max(...delays) / 2;
      for (const [name, ns] of Object.entries(known)) {
        const isThere = ({ event, frames }: Sample) =>
          event === (name === "spin" ? "cpu-clock" : "offcpu-time") &&
          frames.some(({ symbol }) => symbol === `waits_${name}`);
        assertNear(sumOf(samples, isThere), ns, within * ns + latencyNs, name);
      }
    });
  }
}
