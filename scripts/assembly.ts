/**
 * Compiles `cli/script/assembly/` from AssemblyScript to WebAssembly, and writes that as text into
 * `cli/script/gen/`, so that it is a part of the library and of the compiled programs:
 *
 *     deno run -A scripts/assembly.ts [--check]
 *
 * With `--check` nothing is written; exits 1 when `cli/script/gen/` is not what would be made.
 *
 * @module
 */
import { join } from "node:path";

const SCRIPT = join(import.meta.dirname!, "../cli/script");
const SOURCE = join(SCRIPT, "assembly/known_text.ts");
const GENERATED = join(SCRIPT, "gen/known_text.ts");

const OPTIONS = [
  ...["--runtime", "stub", "--noAssert", "-O3"],
  ...["--enable", "simd", "--enable", "bulk-memory"],
  // In pages of 64 KB, which is what its tables add up to. Nothing of the compiler's is in it.
  ...["--initialMemory", "412", "--maximumMemory", "412", "--memoryBase", "1"],
];

/** Rejects with the compiler's words when it fails. */
async function generate(): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-assembly-" });
  try {
    // Not imported: its types are of things that are called as Deno's are, everywhere.
    const asc = ["run", "-A", "--quiet", "--frozen", "npm:assemblyscript@0.28.20/asc"];
    const args = [...asc, SOURCE, ...OPTIONS, "--outFile", `${directory}/known_text.wasm`];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    if (!success) throw new Error(`deno ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    const wasm = await Deno.readFile(`${directory}/known_text.wasm`);
    return `/** Made of \`../assembly/known_text.ts\` by \`deno task gen\`. */\n` +
      `export const KNOWN_TEXT_WASM = "${wasm.toBase64()}";\n`;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const text = await generate();
if (!Deno.args.includes("--check")) {
  await Deno.writeTextFile(GENERATED, text);
} else if (await Deno.readTextFile(GENERATED) !== text) {
  console.error("cli/script/gen/ is not up to date; run: deno task gen");
  Deno.exit(1);
}
