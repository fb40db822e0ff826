import assert from "node:assert/strict";
import { join } from "node:path";
import { CliError, ExitStatus } from "../../cli/exit_status.ts";
import { openFileOutput } from "../../cli/output.ts";

const NAME = { stem: "web-0-app", extension: ".perf.txt" };
const AT = () => new Date("2025-01-31T23:59:58.123Z");
const BYTES = new TextEncoder().encode("samples");

/** A directory that is gone when the test ends. */
function temporaryDirectory() {
  const path = Deno.makeTempDirSync({ prefix: "necoperf-output-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

function namesIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
}

Deno.test("a result has its name only when it is whole", async () => {
  using directory = temporaryDirectory();
  const output = await openFileOutput(directory.path, NAME, AT);
  await output.write(BYTES);
  const [temporary, ...others] = namesIn(directory.path);
  assert.match(temporary, /^\..*\.partial$/);
  assert.deepEqual(others, []);

  const path = await output.commit();
  assert.equal(path, join(directory.path, "web-0-app-20250131T235958Z.perf.txt"));
  assert.deepEqual(namesIn(directory.path), ["web-0-app-20250131T235958Z.perf.txt"]);
  assert.deepEqual(await Deno.readFile(path), BYTES);
});

Deno.test("a result never takes another's name", async () => {
  using directory = temporaryDirectory();
  const first = join(directory.path, "web-0-app-20250131T235958Z.perf.txt");
  Deno.writeTextFileSync(first, "somebody's");
  const paths = [];
  for (let count = 0; count < 2; count++) {
    const output = await openFileOutput(directory.path, NAME, AT);
    await output.write(BYTES);
    paths.push(await output.commit());
  }
  assert.deepEqual(paths, ["-2", "-3"].map((suffix) => first.replace("Z.", `Z${suffix}.`)));
  assert.equal(Deno.readTextFileSync(first), "somebody's");
});

Deno.test("a result that is given up leaves nothing, nor directories made for it", async () => {
  using directory = temporaryDirectory();
  const output = await openFileOutput(join(directory.path, "new", "deep"), NAME, AT);
  await output.write(BYTES);
  await output.discard();
  assert.deepEqual(namesIn(directory.path), []);

  await Deno.mkdir(join(directory.path, "old"));
  await (await openFileOutput(join(directory.path, "old"), NAME, AT)).discard();
  assert.deepEqual(namesIn(directory.path), ["old"]);
});

Deno.test("a directory is made when it is missing", async () => {
  using directory = temporaryDirectory();
  const output = await openFileOutput(join(directory.path, "new", "deep"), NAME, AT);
  await output.commit();
  assert.deepEqual(namesIn(join(directory.path, "new", "deep")), [
    "web-0-app-20250131T235958Z.perf.txt",
  ]);
});

Deno.test("a name stays inside the directory and within what file systems take", async () => {
  using directory = temporaryDirectory();
  const names = [{ ...NAME, stem: "../../x" }, { ...NAME, stem: "p".repeat(400) }];
  for (const name of names) await (await openFileOutput(directory.path, name, AT)).commit();
  assert.deepEqual(namesIn(directory.path), [
    "_.._x-20250131T235958Z.perf.txt",
    `${"p".repeat(200)}-20250131T235958Z.perf.txt`,
  ]);
});

Deno.test("a directory that cannot be written is found before anything is recorded", async () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, "file");
  Deno.writeTextFileSync(file, "");
  for (const path of [file, join(file, "below")]) {
    await assert.rejects(openFileOutput(path, NAME, AT), (error) => {
      assert(error instanceof CliError);
      assert.equal(error.exitStatus, ExitStatus.USAGE);
      assert(error.message.includes(`output directory ${path}: `), error.message);
      assert.match(error.message, /director(y|y has this name);/);
      return true;
    });
  }
  assert.deepEqual(namesIn(directory.path), ["file"]);
});
