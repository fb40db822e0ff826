/**
 * `--wall` and `--off-cpu`: the client, the daemon and perf, all real, on a container of this
 * machine's.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { profileAll } from "../../cli/client/recording/profile_all.ts";
import { openTarget } from "../../cli/client/targets/target.ts";
import { permissionFlags } from "../../permissions.ts";
import { makeContainer } from "../testing/container_cgroup.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { eventually } from "../testing/process.ts";
import { buildTargets } from "../testing/targets.ts";
import { assertWaits, samplesOf, sumOf } from "../testing/thread_time.ts";

const targets = await buildTargets();
const MAIN = join(import.meta.dirname!, "../../cli/main.ts");

/** Runs the client on a container, into a directory that is gone when the test ends. */
async function runClient(daemon: TestDaemon, containerId: string, ...args: string[]) {
  const { ended } = await startClient(daemon, containerId, ...args);
  return await ended;
}

/** Starts it; `ended` is how it ended. */
async function startClient(daemon: TestDaemon, containerId: string, ...args: string[]) {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-wall-" });
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--frozen", ...permissionFlags("client", { embedded: false }), MAIN],
      ...["--daemon", daemon.address, "--container-id", containerId, "-o", directory, ...args],
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let said = "";
  const recording = Promise.withResolvers<void>();
  const listening = (async () => {
    for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
      said += text;
      if (/: recording /.test(said)) recording.resolve();
    }
    recording.reject(new Error(said));
  })();
  recording.promise.catch(() => {});
  const ended = async () => {
    const [stdout, { code }] = await Promise.all([
      new Response(process.stdout).text(),
      process.status,
      listening,
    ]);
    return {
      status: code,
      said,
      path: stdout.trim(),
      [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
    };
  };
  const interrupt = () => process.kill("SIGINT");
  return { recording: recording.promise, interrupt, ended: ended() };
}

/** A container with a `waits` in it. */
async function startWaits(...args: string[]) {
  const container = makeContainer();
  const printed = await Deno.makeTempFile();
  container.run("sh", "-c", `exec "$@" >${printed}`, "sh", targets.waits, ...args);
  const read = () => Deno.readTextFile(printed);
  await eventually(async () => assert.ok((await read()).split("\n").length > 9));
  return {
    id: container.id,
    read,
    async [Symbol.asyncDispose]() {
      await container[Symbol.asyncDispose]();
      await Deno.remove(printed);
    },
  };
}

const BY_CGROUP = ["--container-lookup", "cgroup"];

Deno.test("profile: --wall says what threads do with all of their time", async () => {
  await using daemon = await startDaemon({ args: BY_CGROUP });
  await using waits = await startWaits();
  await using run = await runClient(daemon, waits.id, "--wall", "-d", "6");
  assert.equal(run.status, 0, run.said);
  const samples = await samplesOf(await Deno.readTextFile(run.path));
  const lifeNs = await assertWaits(samples, waits.read);
  // perf's own time, and what a busy machine takes to begin and to end it.
  assert.ok(lifeNs > 5.9e9 && lifeNs < 30e9, `${lifeNs / 1e9} s`);
  assert.match(run.said, /running, .*blocked, .*waiting for a processor/);
});

Deno.test("profile: --off-cpu gives what blocked, in every format", async () => {
  await using daemon = await startDaemon({ args: BY_CGROUP });
  await using waits = await startWaits();
  await using run = await runClient(daemon, waits.id, "--off-cpu", "-d", "1");
  assert.equal(run.status, 0, run.said);
  const samples = await samplesOf(await Deno.readTextFile(run.path));
  assert.deepEqual([...new Set(samples.map(({ event }) => event))], ["offcpu-time"]);
  await using folded = await runClient(
    daemon,
    waits.id,
    ...["--off-cpu", "-d", "1", "--format", "folded"],
  );
  assert.equal(folded.status, 0, folded.said);
  assert.match(await Deno.readTextFile(folded.path), /^locker;.*waits_lock.* \d{8,}$/m);
});

Deno.test("profile: --wall of a container that switches too often is thinned, and says so", async () => {
  await using daemon = await startDaemon({ args: BY_CGROUP });
  await using waits = await startWaits("chatty");
  await using run = await runClient(daemon, waits.id, "--wall", "-d", "10");
  assert.equal(run.status, 0, run.said);
  assert.match(run.said, /thinned: threads that switch often were watched for \S+ s of \S+ s/);
  const samples = await samplesOf(await Deno.readTextFile(run.path));
  const byThread = Map.groupBy(samples, ({ tid }) => tid);
  const chatty = [...byThread.values()].filter(([{ command }]) => command === "chatty");
  assert.equal(chatty.length, 2);
  const lives = chatty.map((samples) => sumOf(samples, () => true));
  assert.equal(lives[0], lives[1]);
  for (const samples of chatty) {
    const blocked = samples.filter(({ event }) => event === "offcpu-time");
    const reading = sumOf(
      blocked,
      ({ frames }) => frames.some(({ symbol }) => symbol === "__libc_read"),
    );
    assert.ok(reading > 0.8 * sumOf(blocked, () => true));
  }
  await assertWaits(samples, waits.read, { isThinned: true });
});

Deno.test("profile: --wall keeps what was recorded until Ctrl-C", async () => {
  await using daemon = await startDaemon({ args: BY_CGROUP });
  await using waits = await startWaits();
  const client = await startClient(daemon, waits.id, "--wall", "-d", "5m");
  await client.recording;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  client.interrupt();
  await using run = await client.ended;
  assert.equal(run.status, 7, run.said);
  const samples = await samplesOf(await Deno.readTextFile(run.path));
  const ofThread = (name: string) => samples.filter(({ command }) => command === name);
  const lifeNs = sumOf(ofThread("sleeper"), () => true);
  assert.ok(lifeNs > 1e9 && lifeNs < 60e9, `${lifeNs}`);
  assert.equal(sumOf(ofThread("holder"), () => true), lifeNs);
});

Deno.test("profile: --wall counts a process from when it enters the container", async () => {
  await using daemon = await startDaemon({ args: BY_CGROUP });
  await using container = makeContainer();
  container.run(targets.idle);
  await eventually(() => assert.equal(container.pids().length, 1));
  const client = await startClient(daemon, container.id, "--wall", "-d", "20s");
  await client.recording;
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const { pid } = container.run(targets.spin);
  await new Promise((resolve) => setTimeout(resolve, 4000));
  client.interrupt();
  await using run = await client.ended;
  const samples = await samplesOf(await Deno.readTextFile(run.path));
  const entered = samples.filter((sample) => sample.pid === pid);
  const lifeNs = sumOf(samples.filter((sample) => sample.pid !== pid), () => true);
  const enteredNs = sumOf(entered, () => true);
  assert.ok(enteredNs > 0 && enteredNs < lifeNs - 4e9, `${enteredNs} of ${lifeNs} ns`);
});

Deno.test("profileAll: results of threads' time are merged", async () => {
  await using daemon = await startDaemon({ args: BY_CGROUP });
  const containers = new AsyncDisposableStack();
  await using _ = containers;
  const ids = [1, 2].map(() => {
    const container = containers.use(makeContainer());
    container.run(targets.threads, "3");
    return container;
  });
  await eventually(() => ids.forEach((container) => assert.equal(container.pids().length, 1)));
  await eventually(() =>
    ids.flatMap((container) => container.pids()).forEach((pid) =>
      assert.equal([...Deno.readDirSync(`/proc/${pid}/task`)].length, 3)
    )
  );
  const outputDirectory = await Deno.makeTempDir();
  try {
    const opened = await Promise.all(
      ids.map(({ id }) => openTarget({ daemonAddress: daemon.address, containerId: id })),
    );
    const { failures, mergedPath } = await profileAll({
      targets: opened,
      durationSeconds: 1,
      recordOptions: { threadTime: "all" },
      outputDirectory,
      mergedName: "both",
    });
    assert.deepEqual(failures.map(({ error }) => error.message), []);
    const merged = await samplesOf(await Deno.readTextFile(mergedPath!));
    const processes = Map.groupBy(merged, ({ pid }) => pid);
    assert.equal(processes.size, 2);
    // Of three threads.
    for (const samples of processes.values()) {
      const lifeNs = sumOf(samples, () => true);
      assert.ok(lifeNs > 3 * 0.9e9, `${lifeNs} ns`);
    }
    assert.doesNotMatch(await Deno.readTextFile(mergedPath!), /PERF_RECORD|thread-time/);
  } finally {
    await Deno.remove(outputDirectory, { recursive: true });
  }
});

Deno.test("profile: --wall asks for nothing of a daemon that records no threads' time", async () => {
  await using daemon = await startDaemon({ args: [...BY_CGROUP, "--thread-time-budget", "0"] });
  await using container = makeContainer();
  container.run(targets.idle);
  await using run = await runClient(daemon, container.id, "--wall", "-d", "1");
  assert.equal(run.status, 2);
  assert.match(run.said, /does not record threads' time/);
  assert.equal(run.path, "");
});
