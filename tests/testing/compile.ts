/**
 * Compiles programs that are not shipped, for tests.
 *
 * @module
 */
import { join } from "node:path";
import { compile } from "../../scripts/compile.ts";
import { TESTBED } from "./cluster.ts";

const TOOLCHAIN = join(TESTBED, "compile-toolchain");

/**
 * As {@linkcode compile}. Where `DENORT_BIN` is not set, the test cluster's directory, if it is
 * there, says what it is.
 */
export async function compileForTest(...args: Parameters<typeof compile>): Promise<void> {
  if (!Deno.env.has("DENORT_BIN")) await findRuntime();
  await compile(...args);
}

async function findRuntime(): Promise<void> {
  try {
    const { stdout } = await new Deno.Command(TOOLCHAIN, { stdin: "null" }).output();
    const [, path] = /^export DENORT_BIN=(.*)$/m.exec(new TextDecoder().decode(stdout)) ?? [];
    if (path) Deno.env.set("DENORT_BIN", path);
  } catch (error) {
    // Deno downloads it.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
