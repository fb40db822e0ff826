/**
 * The programs that tests start: run from source, or the compiled ones that `NECOPERF_CLIENT` and
 * `NECOPERF_DAEMON` name. Either way they have the permissions that they are compiled with.
 *
 * @module
 */
import { join, resolve } from "node:path";
import { permissionFlags, type Program } from "../../permissions.ts";

const MAIN: Record<Program, string> = { client: "cli/main.ts", daemon: "daemon/main.ts" };

const ROOT = join(import.meta.dirname!, "../..");

/**
 * The beginning of a program's command line: arguments follow. Throws when the environment names a
 * program that is not there.
 */
export function programCommand(program: Program): string[] {
  const variable = `NECOPERF_${program.toUpperCase()}`;
  const compiled = Deno.env.get(variable);
  if (!compiled) {
    const flags = permissionFlags(program, { embedded: false });
    return [Deno.execPath(), "run", "--quiet", "--frozen", ...flags, join(ROOT, MAIN[program])];
  }
  const path = resolve(ROOT, compiled);
  try {
    Deno.statSync(path);
  } catch (error) {
    throw new Error(`${variable}: ${path} cannot be used; run .ci/images or deno task compile`, {
      cause: error,
    });
  }
  return [path];
}
