/**
 * Compiles `dist/necoperf-client` and `dist/necoperf-daemon`, each with its permissions and the
 * `.proto` files inside:
 *
 *     deno run -A scripts/compile.ts
 *
 * `DENO_COMPILER` names the Deno that compiles; default: the one that runs this.
 *
 * @module
 */
import { join } from "node:path";
import { permissionFlags, type Program } from "../permissions.ts";

const ROOT = join(import.meta.dirname!, "..");

const MAIN: Record<Program, string> = { client: "cli/main.ts", daemon: "daemon/main.ts" };

const compiler = Deno.env.get("DENO_COMPILER") || Deno.execPath();

async function compile(program: Program, knowsSockets: boolean): Promise<void> {
  const flags = permissionFlags(program, { embedded: true });
  await run([
    ...["compile", "--quiet", "--frozen", "--no-check"],
    ...["--include", "proto/necoperf.proto", "--include", "proto/cri.proto"],
    ...(knowsSockets ? flags : flags.map(withoutSockets)),
    ...["--output", `dist/necoperf-${program}`, MAIN[program]],
  ]);
}

async function run(args: string[]): Promise<void> {
  const { success } = await new Deno.Command(compiler, {
    args,
    cwd: ROOT,
    // Deno 2.4.2 overflows its stack when it compiles as much as this.
    env: { RUST_MIN_STACK: "67108864" },
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) {
    console.error(`failed: ${compiler} ${args.join(" ")}`);
    Deno.exit(1);
  }
}

/**
 * Says whether the compiler knows permissions for unix sockets. Deno 2.4.2 takes them for a bad
 * port; gRPC does not work on it, so what it compiles could not use a socket anyway.
 */
async function knowsSocketPermissions(): Promise<boolean> {
  const empty = "data:application/javascript,";
  const { success } = await new Deno.Command(compiler, {
    args: ["run", "--quiet", "--no-config", "--allow-net=unix:/nonexistent", empty],
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}

function withoutSockets(flag: string): string {
  if (!flag.startsWith("--allow-net=")) return flag;
  const hosts = flag.slice("--allow-net=".length).split(",");
  return `--allow-net=${hosts.filter((host) => !host.startsWith("unix:")).join()}`;
}

const knowsSockets = await knowsSocketPermissions();
for (const program of ["client", "daemon"] as const) await compile(program, knowsSockets);
