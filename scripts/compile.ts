/**
 * Compiles `dist/necoperf-client` and `dist/necoperf-daemon`, each bundled, with its permissions
 * and the files inside that it reads:
 *
 *     deno run -A scripts/compile.ts
 *     deno run -A scripts/compile.ts --target x86_64-pc-windows-msvc
 *
 * With `--target` it is the client alone, for a system that `deno compile` names so.
 *
 * Deno downloads what it compiles with, its runtime without its tools. Where it cannot,
 * `DENORT_BIN` names a file that has it.
 *
 * @module
 */
import { join, resolve } from "node:path";
import { permissionFlags, type Program } from "../permissions.ts";
import { bundle } from "./bundle.ts";

const ROOT = join(import.meta.dirname!, "..");

/** The files that the programs read: not their modules, but what these open. */
export const FILES: Record<Program, string[]> = {
  client: ["cli/formats/flame_graph_page", "cli/completion/shell_scripts"],
  daemon: [],
};

/** The first module of each program. */
export const MAIN: Record<Program, string> = { client: "cli/main.ts", daemon: "daemon/main.ts" };

/**
 * Compiles a program; by default into `dist/`. `main` may be another module, that gets what the
 * program gets. `flags` are what the program gets, for `deno compile`.
 *
 * Rejects with the command line when the compiler fails; its words go to standard error.
 */
export async function compile(
  program: Program,
  {
    main = MAIN[program],
    output = `dist/necoperf-${program}`,
    flags = permissionFlags(program, { embedded: true }),
    target = undefined as string | undefined,
  } = {},
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-bundle-" });
  try {
    const bundled = await bundle(main, FILES[program], directory);
    const args = [
      // Whatever it imports is in the bundle: no configuration, and nothing to look up in a lock
      // file.
      ...["compile", "--quiet", "--no-config", "--no-check"],
      // It would be read from where anybody can put one: see docs/decisions/code-cache.md.
      "--no-code-cache",
      ...bundled.include.flatMap((path) => ["--include", path]),
      ...flags,
      ...target === undefined ? [] : ["--target", target],
      ...["--output", resolve(ROOT, output), bundled.main],
    ];
    const { success } = await new Deno.Command(Deno.execPath(), {
      args,
      cwd: directory,
      stdin: "null",
    }).spawn().status;
    if (!success) throw new Error(`failed: deno ${args.join(" ")}`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

if (import.meta.main) {
  try {
    const [option, target] = Deno.args;
    if (option === "--target") await compile("client", { target });
    else {
      await compile("client");
      await compile("daemon");
    }
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(1);
  }
}
