import assert from "node:assert/strict";
import { join } from "node:path";
import { VERSION } from "../../version.ts";

const MAIN = join(import.meta.dirname!, "../../daemon/main.ts");

Deno.test("necoperf-daemon: --version and --help need no permission, so they load no library", async () => {
  const run = async (arg: string) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--frozen", "--no-prompt", MAIN, arg],
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  };
  assert.deepEqual(await run("--version"), { code: 0, stdout: `${VERSION}\n`, stderr: "" });
  const help = await run("--help");
  assert.equal(help.code, 0, help.stderr);
  assert.match(help.stdout, /^Usage: necoperf-daemon/);
});
