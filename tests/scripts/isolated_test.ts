import assert from "node:assert/strict";
import { join } from "node:path";

const ISOLATED = join(import.meta.dirname!, "../../scripts/isolated.ts");

/** Has the script run a program that prints its environment and its mask, in an odd environment. */
async function run(
  program: string,
  env: Record<string, string> = {},
  flags: string[] = [],
): Promise<{ code: number; printed: string }> {
  const { code, stdout } = await new Deno.Command("sh", {
    args: ["-c", 'umask 077; exec "$@"', "sh"].concat(
      [Deno.execPath(), "run", "-A", ISOLATED, ...flags, "eval", program],
    ),
    env,
    stdin: "null",
  }).output();
  return { code, printed: new TextDecoder().decode(stdout).trim() };
}

Deno.test("isolated.ts: drops what a developer's machine may say, and keeps where programs are", async () => {
  const odd = {
    ...{ LANG: "de_DE.UTF-8", LC_ALL: "de_DE.UTF-8", https_proxy: "http://127.0.0.1:9" },
    ...{ KUBECONFIG: "/elsewhere", GRPC_TRACE: "all", FORCE_COLOR: "1", ANYTHING: "else" },
    ...{ NECOPERF_SWITCH: "on", TMPDIR: "/var/tmp" },
  };
  const { printed } = await run("console.log(JSON.stringify(Deno.env.toObject()))", odd);
  const env = JSON.parse(printed);
  for (const name of Object.keys(odd).slice(1, 7)) assert(!(name in env), name);
  assert.equal(env.LANG, "C.UTF-8");
  assert.equal(env.NECOPERF_SWITCH, "on");
  assert.equal(env.TMPDIR, "/var/tmp");
  assert.equal(env.PATH, Deno.env.get("PATH"));
  assert.equal(env.HOME, Deno.env.get("HOME"));
});

Deno.test("isolated.ts: a directory for temporary files that scripts and sockets cannot have is not kept", async () => {
  const program = "console.log(Deno.env.get('TMPDIR'))";
  for (const TMPDIR of ["/var/tmp/odd one", `/var/tmp/${"long".repeat(20)}`]) {
    assert.equal((await run(program, { TMPDIR })).printed, "undefined");
  }
});

Deno.test("isolated.ts: --keep keeps another variable", async () => {
  const program = "console.log(Deno.env.get('KUBECONFIG'))";
  const env = { KUBECONFIG: "/mine" };
  assert.equal((await run(program, env)).printed, "undefined");
  assert.equal((await run(program, env, ["--keep=KUBECONFIG"])).printed, "/mine");
});

Deno.test("isolated.ts: files are made for others to read, and the exit status is passed on", async () => {
  const program = "console.log(Deno.umask().toString(8)); Deno.exit(3)";
  assert.deepEqual(await run(program), { code: 3, printed: "22" });
});
