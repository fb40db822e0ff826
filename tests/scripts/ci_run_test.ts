/**
 * How `.ci/run` counts, what it says and what it stops. Its steps take most of an hour and pass, so
 * Deno, the images and the test cluster are stand-ins here that end as each test needs it.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { eventually } from "../testing/process.ts";

const RUN = join(import.meta.dirname!, "../../.ci/run");

/** What a stand-in does when a step starts it: shell, with `$1` as the step's name. */
type Steps = Record<string, string>;

/** Output of `deno test`, in which so many tests passed, failed and were ignored. */
function testOutput(passed: number, failed: number, ...ignored: string[]): string {
  const lines = ignored.map((name) => `echo '${name} ... ignored (0ms)'`);
  const counts = `${passed} passed (2 steps) | ${failed} failed` +
    (ignored.length > 0 ? ` | ${ignored.length} ignored` : "");
  const end = failed > 0
    ? `echo 'FAILED | ${counts} (1m2s)'; exit 1`
    : `echo 'ok | ${counts} (3s)'`;
  return [...lines, end].join("\n");
}

interface Ci extends AsyncDisposable {
  directory: string;
  process: Deno.ChildProcess;
  /** Resolves at its end. */
  output: Promise<{ code: number; lines: string[] }>;
}

/** Starts `.ci/run` with stand-ins. Steps that are not named pass and report no tests. */
async function startCi(
  steps: Steps,
  { testbed = true, running = "" }: { testbed?: boolean; running?: string } = {},
): Promise<Ci> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-ci-run-" });
  const write = async (path: string, text: string) => {
    const full = join(directory, path);
    await Deno.mkdir(join(full, ".."), { recursive: true });
    await Deno.writeTextFile(full, `#!/bin/bash\n${text}\n`, { mode: 0o755 });
  };
  await Deno.mkdir(join(directory, "project/.ci"), { recursive: true });
  await Deno.copyFile(RUN, join(directory, "project/.ci/run"));
  for (const [name, script] of Object.entries(steps)) await write(`steps/${name}`, script);
  const step = `step() { [ ! -x "${directory}/steps/$1" ] || "${directory}/steps/$1" "$1"; }`;
  await write("bin/npx", 'shift 2; exec deno "$@"');
  await write(
    "bin/deno",
    `${step}
    case $1 in
      eval) echo ${directory}/bin/deno ;;
      run) step setup ;;
      task) step "$2" ;;
    esac`,
  );
  await write("project/.ci/images", `${step}\nstep images-$1`);
  await write("project/.ci/cluster-network", `${step}\nstep cluster-network`);
  if (testbed) {
    for (const name of ["build", "up", "down", "compile-toolchain"]) {
      const call = `echo ${name} >>${directory}/calls`;
      await write(`testbed/${name}`, `${step}\n${call}\nstep cluster-${name}`);
    }
    await write("testbed/unpack-debian", step);
    const conf = `${directory}/${running ? "calls" : "nothing"}`;
    await write("calls", "");
    await write("testbed/lib.sh", `ADMIN_CONF=${conf} CHOSEN_KUBERNETES=${running}`);
  }
  const process = new Deno.Command(join(directory, "project/.ci/run"), {
    env: {
      PATH: `${directory}/bin:${Deno.env.get("PATH")}`,
      TESTBED_DIR: join(directory, "testbed"),
      TESTBED_KUBERNETES: "1.37",
      TMPDIR: directory,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = process.output().then(({ code, stdout }) => ({
    code,
    lines: new TextDecoder().decode(stdout).trimEnd().split("\n"),
  }));
  return {
    directory,
    process,
    output,
    async [Symbol.asyncDispose]() {
      try {
        process.kill("SIGTERM");
      } catch {
        // It has ended.
      }
      await output;
      await Deno.remove(directory, { recursive: true });
    },
  };
}

function calls({ directory }: Ci): string[] {
  return Deno.readTextFileSync(`${directory}/calls`).trimEnd().split("\n").slice(2);
}

const TESTS = {
  test: `${testOutput(100, 0)}\n${testOutput(20, 0)}`,
  "test:soak": testOutput(1, 0),
  "test:compiled": testOutput(30, 0),
  "test:e2e": testOutput(110, 0),
};

/**
 * Deno, packages, two perfs, install, check, demo, compile, images, build of the cluster, load
 * images.
 */
const STEPS = 11;
const PASSED = 100 + 20 + 1 + 30 + 110 + STEPS;

Deno.test(".ci/run: counts the tests of each step, and a step without tests as one", async () => {
  await using ci = await startCi(TESTS);
  const { code, lines } = await ci.output;
  assert.equal(lines.at(-1), `${PASSED} passed, 0 failed`);
  assert.equal(code, 0);
  assert.deepEqual(calls(ci).sort(), ["build", "compile-toolchain", "down", "up"]);
});

Deno.test(".ci/run: counts failed tests and failed steps, and goes on", async () => {
  await using ci = await startCi({ ...TESTS, test: testOutput(99, 3), demo: "exit 1" });
  const { code, lines } = await ci.output;
  assert.equal(lines.at(-1), `${PASSED - 22} passed, 4 failed`);
  assert.equal(code, 1);
});

Deno.test(".ci/run: fails when a test is ignored whose needs can be installed", async () => {
  await using ci = await startCi({
    ...TESTS,
    test: testOutput(118, 0, "Rust: with names", "Java"),
  });
  const { code, lines } = await ci.output;
  assert.equal(lines.at(-1), `${PASSED - 2} passed, 2 failed, 2 skipped`);
  assert.ok(lines.includes("  test: Rust: with names"), lines.join("\n"));
  assert.ok(lines.includes("  test: Java"));
  assert.equal(code, 1);
});

Deno.test(".ci/run: says which end-to-end tests were ignored", async () => {
  const e2e = testOutput(109, 0, "cgroup: pods of Kubernetes 1.37");
  await using ci = await startCi({ ...TESTS, "test:e2e": e2e });
  const { code, lines } = await ci.output;
  assert.equal(lines.at(-1), `${PASSED - 1} passed, 0 failed, 1 skipped`);
  assert.ok(lines.includes("  test:e2e: cgroup: pods of Kubernetes 1.37"), lines.join("\n"));
  assert.equal(code, 0);
});

Deno.test(".ci/run: says that the end-to-end tests did not run without a test cluster", async () => {
  await using ci = await startCi(TESTS, { testbed: false });
  const { code, lines } = await ci.output;
  assert.equal(lines.at(-1), `${100 + 20 + 1 + 5} passed, 0 failed, 2 skipped`);
  assert.match(lines.at(-3)!, /^ {2}.*end-to-end tests.*there is no .*\/testbed$/);
  assert.equal(code, 0);
});

Deno.test(".ci/run: fails when the images or the cluster cannot be had", async () => {
  const cases = [
    // Without images the tests on compiled programs do not run either.
    { failing: "images-build", end: `${PASSED - 142} passed, 1 failed, 1 skipped`, started: false },
    {
      failing: "cluster-build",
      end: `${PASSED - 112} passed, 1 failed, 1 skipped`,
      started: false,
    },
    { failing: "cluster-up", end: `${PASSED - 111} passed, 1 failed`, started: true },
    { failing: "images-load", end: `${PASSED - 111} passed, 1 failed`, started: true },
  ];
  for (const { failing, end, started } of cases) {
    await using ci = await startCi({ ...TESTS, [failing]: "exit 1" });
    const { code, lines } = await ci.output;
    assert.equal(lines.at(-1), end, failing);
    assert.equal(code, 1);
    assert.deepEqual(calls(ci).filter((call) => call === "down"), started ? ["down"] : []);
  }
});

for (const { failures, starts } of [{ failures: 2, starts: 3 }, { failures: 9, starts: 4 }]) {
  Deno.test(`.ci/run: a cluster without a network ${failures} times is started ${starts} times`, async () => {
    // One line for each time that it was looked for.
    const script = `echo >>"$0.looks"; [ "$(wc -l <"$0.looks")" -gt ${failures} ]`;
    await using ci = await startCi({ ...TESTS, "cluster-network": script });
    const { lines } = await ci.output;
    assert.equal(lines.at(-1), `${PASSED} passed, 0 failed`);
    const started = calls(ci).filter((call) => call === "up" || call === "down");
    assert.deepEqual(started, Array.from({ length: starts }, () => ["up", "down"]).flat());
  });
}

Deno.test(".ci/run: uses a cluster that runs, of the same Kubernetes, and leaves it running", async () => {
  {
    await using ci = await startCi(TESTS, { running: "1.37" });
    assert.equal((await ci.output).code, 0);
    assert.ok(!calls(ci).includes("down"));
  }
  {
    await using ci = await startCi(TESTS, { running: "1.20" });
    const { code, lines } = await ci.output;
    assert.equal(code, 1);
    assert.ok(lines.some((line) => /cluster of Kubernetes 1\.20 is running/.test(line)));
    assert.ok(!calls(ci).includes("down"));
  }
});

/** Writes its pid, and one of a child that cleans up for a moment when it is told to end. */
const BLOCK = `
(trap 'sleep 0.5; echo cleaned >>"$(dirname "$0")/cleaned"; exit' TERM
  echo $BASHPID >>"$(dirname "$0")/pids"; while :; do sleep 0.1; done) &
echo $$ >>"$(dirname "$0")/pids"
wait`;

for (
  const { during, steps, started, stopped } of [
    // The cluster's build runs beside the tests.
    { during: "the tests", steps: ["test", "cluster-build"], started: 4, stopped: [] },
    { during: "the end-to-end tests", steps: ["test:e2e"], started: 2, stopped: ["down"] },
  ]
) {
  Deno.test(`.ci/run: SIGTERM during ${during} stops all that was started`, async () => {
    const blocked = Object.fromEntries(steps.map((step) => [step, BLOCK]));
    await using ci = await startCi({ ...TESTS, ...blocked });
    const read = (name: string) =>
      Deno.readTextFileSync(`${ci.directory}/steps/${name}`).trimEnd().split("\n");
    await eventually(() => assert.equal(read("pids").length, started), 60);
    ci.process.kill("SIGTERM");
    const { code } = await ci.output;
    assert.equal(code, 143);
    for (const pid of read("pids")) {
      assert.throws(() => Deno.statSync(`/proc/${pid}`), Deno.errors.NotFound);
    }
    assert.equal(read("cleaned").length, steps.length);
    assert.deepEqual(calls(ci).filter((call) => call === "down"), stopped);
  });
}
