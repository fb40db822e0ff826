import { compile } from "../../scripts/compile.ts";
import { interleave, summarize } from "../measure.ts";
import { processorTime } from "../programs.ts";
import type { Row } from "../row.ts";

const MB = 1e6;

/** Row 8: the compiled programs. */
export const size: Row = {
  name: "size",
  title: "Size of the compiled programs, and the processor time of the start of each (--version)",
  goal: "at most 1.3 times a compiled empty program",
  async run({ quick, report }) {
    const directory = await Deno.makeTempDir({ prefix: "necoperf-bench-" });
    const path = (name: string) => `${directory}/${name}`;
    try {
      await compile("client", { output: path("client") });
      await compile("daemon", { output: path("daemon") });
      await compileEmpty(path("empty"));
      const start = (name: string) => () => processorTime(path(name), ["--version"]);
      const { empty, ...programs } = await interleave({
        client: start("client"),
        daemon: start("daemon"),
        empty: start("empty"),
      }, quick ? 3 : 21);
      const sizeOf = async (name: string) => summarize([(await Deno.stat(path(name))).size / MB]);
      const other = "a compiled empty program";
      for (const name of ["client", "daemon"] as const) {
        report({
          what: `necoperf-${name}: size`,
          unit: "MB",
          ours: await sizeOf(name),
          other: { name: other, measured: await sizeOf("empty") },
          goal: { atMost: 1.3 },
        });
        report({
          what: `necoperf-${name}: start`,
          unit: "ms",
          ours: programs[name].cpu,
          other: { name: other, measured: empty.cpu },
          goal: { atMost: 1.3 },
        });
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
};

async function compileEmpty(output: string): Promise<void> {
  const main = `${output}.ts`;
  await Deno.writeTextFile(main, "");
  const args = ["compile", "--quiet", "--no-config", "--no-check", "--output", output, main];
  const { success } = await new Deno.Command(Deno.execPath(), { args, stdin: "null" }).spawn()
    .status;
  if (!success) throw new Error(`failed: deno ${args.join(" ")}`);
}
