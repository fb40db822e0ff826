import assert from "node:assert/strict";
import { join } from "node:path";
import { permissionFlags } from "../../permissions.ts";
import { nameProgram, toExecutable } from "../../cli/program_name.ts";

const MAIN = join(import.meta.dirname!, "../../cli/main.ts");

Deno.test("nameProgram: a plug-in of kubectl is called as kubectl calls it", () => {
  assert.equal(nameProgram("kubectl-necoperf"), "kubectl necoperf");
  assert.equal(nameProgram("kubectl-neco_perf-now"), "kubectl neco-perf now");
});

Deno.test("toExecutable: a path of Windows has backslashes and an extension", () => {
  assert.equal(toExecutable("C:\\bin\\kubectl-necoperf.exe"), "kubectl-necoperf");
  assert.equal(toExecutable("/usr/bin/kubectl-necoperf"), "kubectl-necoperf");
  assert.equal(toExecutable("C:\\bin\\tools.EXE"), "necoperf-client");
});

/** Runs the client by a Deno of that name; gives what it printed and said. */
async function run(file: string, ...args: string[]): Promise<string> {
  const flags = permissionFlags("client", { embedded: false });
  const { stdout, stderr } = await new Deno.Command(file, {
    args: ["run", "--quiet", "--frozen", ...flags, MAIN, ...args],
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("nameProgram: help and messages name the program as it was started", async () => {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-plugin-" });
  try {
    const started = async (name: string, ...args: string[]) => {
      // Run from source, the file that is started is Deno's.
      const file = join(directory, name);
      await Deno.symlink(Deno.execPath(), file);
      return await run(file, ...args);
    };
    assert.match(await started("kubectl-necoperf", "--help"), /^Usage: kubectl necoperf \[/);
    const wrong = await started("kubectl-neco", "fetch");
    assert.match(
      wrong,
      /^kubectl neco: name the recording by its id: kubectl neco fetch \[options\]/,
    );
    assert.match(wrong, /\nkubectl neco: `kubectl neco fetch --help` lists the options\n$/);
    assert.match(await started("renamed", "--help"), /^Usage: necoperf-client \[/);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
