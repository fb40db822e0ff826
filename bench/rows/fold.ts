import { join } from "node:path";
import { buildTargets } from "../../tests/testing/targets.ts";
import { interleave, type Measured } from "../measure.ts";
import type { Row } from "../row.ts";

const MB = 1e6;
const BENCH = join(import.meta.dirname!, "..");

/** Row 7: perf script's text read and folded into stacks. */
export const fold: Row = {
  name: "fold",
  title:
    "Reading perf script's text and folding it into stacks, with all that the program takes to " +
    "start; a text of 300 different stacks",
  goal: "10 times the Perl way, within 5 times of wc -l; memory flat in the file's size",
  async run({ quick, report }) {
    const { scriptText } = await buildTargets();
    const directory = await Deno.makeTempDir({ prefix: "necoperf-bench-" });
    let smallest: Measured | undefined;
    try {
      for (const megabytes of quick ? [10, 100] : [100, 1000]) {
        const text = `${directory}/${megabytes}.txt`;
        await shell(`${scriptText} ${megabytes * MB} > ${text} && gzip -1 -k ${text}`);
        const measure = (command: string) => () => timed(command, megabytes);
        const repeats = quick ? 1 : 3;
        const sides = await interleave({
          ours: measure(`${Deno.execPath()} run --quiet --frozen -A ${BENCH}/fold.ts ${text}`),
          perl: measure(`perl ${BENCH}/stackcollapse.pl ${text}`),
          wc: measure(`wc -l ${text}`),
          gzip: measure(`gzip -dc ${text}.gz`),
        }, repeats);
        await Deno.remove(text);
        await Deno.remove(`${text}.gz`);
        const what = `${megabytes} MB`;
        for (
          const [name, side, goal] of [
            ["Perl", sides.perl, { atLeast: 10 }],
            ["wc -l", sides.wc, { atLeast: 0.2 }],
            ["gzip -d", sides.gzip, undefined],
          ] as const
        ) {
          report({
            what: `${what}: rate`,
            unit: "MB/s",
            ours: sides.ours.rate,
            other: { name, measured: side.rate },
            goal,
          });
        }
        report({
          what: `${what}: memory`,
          unit: "MB",
          ours: sides.ours.peak,
          other: { name: "Perl", measured: sides.perl.peak },
        });
        smallest ??= sides.ours.peak;
        report({
          what: `${what}: memory`,
          unit: "MB",
          ours: sides.ours.peak,
          other: { name: "for the smaller file", measured: smallest },
          goal: { atMost: 1.1 },
        });
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
};

/** How fast a command goes through so much, and its largest resident memory, as GNU time tells it. */
async function timed(command: string, megabytes: number) {
  const { stderr } = await shell(
    `nice --adjustment=-15 /usr/bin/time --format='%e %M' ${command} > /dev/null`,
  );
  const [seconds, kilobytes] = stderr.trim().split("\n").at(-1)!.split(" ").map(Number);
  return { rate: megabytes / seconds, peak: kilobytes * 1024 / MB };
}

async function shell(command: string): Promise<{ stderr: string }> {
  const output = await new Deno.Command("sh", { args: ["-c", command], stdin: "null" }).output();
  const stderr = new TextDecoder().decode(output.stderr);
  if (!output.success) throw new Error(`${command}: ${stderr}`);
  return { stderr };
}
