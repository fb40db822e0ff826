import assert from "node:assert/strict";
import { join } from "node:path";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";
import { openFileOutput } from "../../../../cli/client/output/output.ts";

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

Deno.test("openFileOutput: a result has its name only when it is whole", async () => {
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

Deno.test("openFileOutput: a name is none that Windows keeps for a device, and has no character it refuses", async () => {
  using directory = temporaryDirectory();
  for (const stem of ["con.web-app", "NUL", "com1.x", "console", 'a:b*?"<>|\\c']) {
    const output = await openFileOutput(directory.path, { stem, extension: ".txt", form: "plain" });
    await output.commit();
  }
  assert.deepEqual(namesIn(directory.path), [
    ...["_NUL.txt", "_com1.x.txt", "_con.web-app.txt", "a_b_______c.txt", "console.txt"],
  ]);
});

Deno.test("openFileOutput: a result never takes another's name", async () => {
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

Deno.test("openFileOutput: an exact name is not taken from a file that appeared meanwhile", async () => {
  using directory = temporaryDirectory();
  const name = { stem: "graph.html", extension: "", form: "exact" } as const;
  const output = await openFileOutput(directory.path, name);
  Deno.writeTextFileSync(join(directory.path, "graph.html"), "somebody's");
  await assert.rejects(output.commit(), (error) => {
    assert(error instanceof CliError);
    assert.equal(error.exitStatus, ExitStatus.USAGE);
    assert.match(error.message, /graph\.html exists already/);
    return true;
  });
  await output.discard();
  assert.deepEqual(namesIn(directory.path), ["graph.html"]);
  assert.equal(Deno.readTextFileSync(join(directory.path, "graph.html")), "somebody's");
});

Deno.test("openFileOutput: a result that is given up leaves nothing, nor directories made for it", async () => {
  using directory = temporaryDirectory();
  const output = await openFileOutput(join(directory.path, "new", "deep"), NAME, AT);
  await output.write(BYTES);
  await output.discard();
  assert.deepEqual(namesIn(directory.path), []);

  await Deno.mkdir(join(directory.path, "old"));
  await (await openFileOutput(join(directory.path, "old"), NAME, AT)).discard();
  assert.deepEqual(namesIn(directory.path), ["old"]);
});

Deno.test("openFileOutput: a directory is made when it is missing", async () => {
  using directory = temporaryDirectory();
  const output = await openFileOutput(join(directory.path, "new", "deep"), NAME, AT);
  await output.commit();
  assert.deepEqual(namesIn(join(directory.path, "new", "deep")), [
    "web-0-app-20250131T235958Z.perf.txt",
  ]);
});

Deno.test("openFileOutput: a name stays inside the directory and within what file systems take", async () => {
  using directory = temporaryDirectory();
  const names = [{ ...NAME, stem: "../../x" }, { ...NAME, stem: "p".repeat(400) }];
  for (const name of names) await (await openFileOutput(directory.path, name, AT)).commit();
  assert.deepEqual(namesIn(directory.path), [
    "_.._x-20250131T235958Z.perf.txt",
    `${"p".repeat(200)}-20250131T235958Z.perf.txt`,
  ]);
});

/** All that an iterable yields, as a text. */
async function textOf(bytes: AsyncIterable<Uint8Array> | void): Promise<string> {
  let text = "";
  for await (const chunk of bytes ?? []) text += new TextDecoder().decode(chunk);
  return text;
}

Deno.test("openFileOutput: what has arrived is there for the next attempt, until the result is whole", async () => {
  using directory = temporaryDirectory();
  const encode = (text: string) => new TextEncoder().encode(text);
  const first = await openFileOutput(directory.path, NAME, AT);
  assert.equal(await textOf(await first.begin("4c1e")), "");
  await first.keep(encode("pack"));
  await first.write(encode("unp"));
  await first.suspend();
  assert.deepEqual(namesIn(directory.path), [".necoperf-4c1e.partial.gz"]);

  const second = await openFileOutput(directory.path, NAME, AT);
  assert.equal(await textOf(await second.begin("4c1e")), "pack");
  await second.keep(encode("ed"));
  await second.suspend();
  const third = await openFileOutput(directory.path, NAME, AT);
  assert.equal(await textOf(await third.begin("4c1e")), "packed");
  await third.write(BYTES);
  await third.commit();
  assert.deepEqual(namesIn(directory.path), ["web-0-app-20250131T235958Z.perf.txt"]);
});

Deno.test("openFileOutput: another recording's result begins anew, and leaves nothing of the one before", async () => {
  using directory = temporaryDirectory();
  const output = await openFileOutput(directory.path, NAME, AT);
  await output.begin("lost");
  await output.keep(BYTES);
  await output.write(new TextEncoder().encode("longer than what comes next"));
  assert.equal(await textOf(await output.begin("next")), "");
  await output.write(BYTES);
  const path = await output.commit();
  assert.deepEqual(await Deno.readFile(path!), BYTES);
  assert.equal(namesIn(directory.path).length, 1);
});

Deno.test("openFileOutput: nothing is left when nothing has arrived, or when it is given up", async () => {
  using directory = temporaryDirectory();
  const empty = await openFileOutput(join(directory.path, "new"), NAME, AT);
  await textOf(await empty.begin("4c1e"));
  await empty.suspend();
  const given = await openFileOutput(join(directory.path, "new"), NAME, AT);
  await textOf(await given.begin("4c1e"));
  await given.keep(BYTES);
  await given.discard();
  assert.deepEqual(namesIn(directory.path), []);
});

Deno.test("openFileOutput: two clients do not write what has arrived of one result", async () => {
  using directory = temporaryDirectory();
  const first = await openFileOutput(directory.path, NAME, AT);
  await first.begin("4c1e");
  const second = await openFileOutput(directory.path, NAME, AT);
  await assert.rejects(second.begin("4c1e"), /another necoperf-client is writing this result/);
  await second.suspend();
  await first.discard();
  assert.deepEqual(namesIn(directory.path), []);
});

Deno.test("openFileOutput: a directory that cannot be written is found before anything is recorded", async () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, "file");
  Deno.writeTextFileSync(file, "");
  for (const path of [file, join(file, "below")]) {
    await assert.rejects(openFileOutput(path, NAME, AT), (error) => {
      assert(error instanceof CliError);
      assert.equal(error.exitStatus, ExitStatus.USAGE);
      assert(error.message.includes(`output directory ${path}: `), error.message);
      assert.match(error.message, /directory;/);
      return true;
    });
  }
  assert.deepEqual(namesIn(directory.path), ["file"]);
});
