import assert from "node:assert/strict";
import { join } from "node:path";
import { openResultOutput } from "../../../../cli/client/output/converting_output.ts";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";
import { SCRIPT } from "../../formats/profile.ts";

const OPTIONS = { stem: "web-0-app", convertTo: "folded" } as const;
const BYTES = new TextEncoder().encode(SCRIPT);

/** A directory that is gone when the test ends. */
function temporaryDirectory() {
  const path = Deno.makeTempDirSync({ prefix: "necoperf-converting-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

function namesIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name);
}

Deno.test("openResultOutput: a result is converted while it arrives", async () => {
  using directory = temporaryDirectory();
  const output = await openResultOutput(directory.path, OPTIONS);
  await output.begin("id");
  for (const byte of [BYTES.subarray(0, 300), BYTES.subarray(300)]) await output.write(byte);
  const path = await output.commit();
  assert.match(path ?? "", /\/web-0-app-\d{8}T\d{6}Z\.folded$/);
  assert.match(await Deno.readTextFile(path!), /^web;main;parse;vfs_read 2$/m);
  assert.equal(namesIn(directory.path).length, 1);
});

Deno.test("openResultOutput: a result that begins again is converted from its start", async () => {
  using directory = temporaryDirectory();
  const output = await openResultOutput(directory.path, OPTIONS);
  await output.begin("first");
  await output.write(BYTES.subarray(0, 500));
  await output.begin("second");
  await output.write(BYTES);
  const path = await output.commit();
  const counts = (await Deno.readTextFile(path!)).match(/\d+$/gm)!.map(Number);
  assert.equal(counts.reduce((sum, count) => sum + count), 5);
});

Deno.test("openResultOutput: what has arrived stays for another attempt, not converted", async () => {
  using directory = temporaryDirectory();
  const output = await openResultOutput(directory.path, OPTIONS);
  await output.begin("id");
  await output.keep(Uint8Array.of(1, 2, 3));
  await output.write(BYTES.subarray(0, 500));
  await output.suspend();
  assert.deepEqual(namesIn(directory.path), [".necoperf-id.partial.gz"]);
  const left = join(directory.path, ".necoperf-id.partial.gz");
  assert.deepEqual(await Deno.readFile(left), Uint8Array.of(1, 2, 3));
});

Deno.test("openResultOutput: a result that cannot be converted is an error, and leaves no file", async () => {
  using directory = temporaryDirectory();
  const output = await openResultOutput(directory.path, OPTIONS);
  const refused = (error: unknown) => {
    assert(error instanceof CliError, String(error));
    assert.equal(error.exitStatus, ExitStatus.USAGE);
    assert.match(error.message, /^the result is perf\.data/);
    return true;
  };
  await output.begin("id");
  await assert.rejects(async () => {
    // As many as the conversion takes until it sees what they are.
    for (let count = 0; count < 100; count++) {
      await output.write(new TextEncoder().encode("PERFILE2"));
    }
  }, refused);
  await assert.rejects(output.commit(), refused);
  await output.discard();
  assert.deepEqual(namesIn(directory.path), []);
});

Deno.test("openResultOutput: what is not to be converted is as it was", async () => {
  using directory = temporaryDirectory();
  for (const [format, extension] of [["script", ".perf.txt"], ["data", ".perf.data"]] as const) {
    const output = await openResultOutput(directory.path, { stem: "web", format });
    await output.begin("id");
    await output.write(BYTES);
    const path = await output.commit();
    assert(path?.endsWith(extension), `${path}`);
    assert.deepEqual(await Deno.readFile(path!), BYTES);
  }
});
