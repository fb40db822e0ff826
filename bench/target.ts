import { join } from "node:path";
import { run, type Running } from "../tests/testing/process.ts";

/** A program that keeps processors busy and counts what it gets done. */
interface BusyTarget extends Running {
  /** Rounds of work that all threads have done so far. */
  rounds(): number;
}

const CACHE_LINE_BYTES = 64;

/** Compiles `target.c` and starts it with so many threads. Needs gcc. */
export async function startTarget(threads: number): Promise<BusyTarget> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-bench-" });
  const program = `${directory}/target`;
  const { success, stderr } = await new Deno.Command("gcc", {
    args: ["-std=gnu11", "-g", "-O1", "-fno-omit-frame-pointer", "-pthread"]
      .concat(["-o", program, join(import.meta.dirname!, "target.c")]),
  }).output();
  if (!success) throw new Error(`gcc: ${new TextDecoder().decode(stderr)}`);
  const counter = `${directory}/counter`;
  const target = run(program, `${threads}`, counter);
  return {
    ...target,
    rounds: () => {
      const view = new DataView(Deno.readFileSync(counter).buffer);
      let total = 0;
      for (let thread = 0; thread < threads; thread++) {
        total += Number(view.getBigUint64(thread * CACHE_LINE_BYTES, true));
      }
      return total;
    },
    async [Symbol.asyncDispose]() {
      await target[Symbol.asyncDispose]();
      await Deno.remove(directory, { recursive: true });
    },
  };
}
