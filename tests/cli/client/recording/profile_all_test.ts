import assert from "node:assert/strict";
import { basename } from "node:path";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";
import type { Target } from "../../../../cli/client/targets/target.ts";
import {
  profileAll,
  type ProfileAllHooks,
  type ProfileAllOptions,
} from "../../../../cli/client/recording/profile_all.ts";
import { foldPerfScript } from "../../../../cli/script/fold.ts";
import { grpc } from "../../../../proto/grpc.ts";
import {
  type StandInDaemon,
  type StandInHandlers,
  type StartCall,
  startStandInDaemon,
  writeFinished,
  writeResult,
  writeStart,
} from "../../stand_in_daemon.ts";

/** The text of one sample of a container's only function. */
function textOf(containerId: string): string {
  return `${containerId} 42 [000] 1.000000:   10101010 cpu-clock: \n` +
    `\t    55d0c0de main_of_${containerId}+0x1d (/app)\n\n`;
}

const bytes = (text: string) => new TextEncoder().encode(text);

/**
 * A daemon that gives each container the text that is its own, once `start` has said what to do.
 */
function startDaemon(start: StandInHandlers["start"]): Promise<StandInDaemon> {
  return startStandInDaemon({
    start,
    fetch: (call) => writeResult(call, bytes(textOf(call.request.recordingId))),
  });
}

function finish(call: StartCall): void {
  const { containerId } = call.request;
  writeStart(call, containerId);
  writeFinished(call, bytes(textOf(containerId)));
}

function targetsOf(daemon: StandInDaemon, ...names: string[]): Target[] {
  return names.map((name) => ({
    containerId: name,
    endpoint: { address: daemon.address },
    pod: { namespace: "shop", name, container: "app", nodeName: "n1" },
  }));
}

/**
 * Runs it into a directory, and returns the texts of all files by the first part of their names.
 */
async function run(
  options: Omit<ProfileAllOptions, "durationSeconds" | "outputDirectory">,
  hooks?: ProfileAllHooks,
) {
  const outputDirectory = await Deno.makeTempDir({ prefix: "necoperf-all-" });
  try {
    const { results, failures, mergedPath } = await profileAll(
      { durationSeconds: 1, outputDirectory, ...options },
      hooks,
    );
    const files: Record<string, string> = {};
    for (const { name } of Deno.readDirSync(outputDirectory)) {
      files[name.replace(/-\d{8}T.*Z/, "")] = await Deno.readTextFile(`${outputDirectory}/${name}`);
    }
    const errors = Object.fromEntries(
      failures.map(({ target, error }) => [target.pod!.name, error.exitStatus]),
    );
    return { results, errors, mergedName: mergedPath && basename(mergedPath), files };
  } finally {
    await Deno.remove(outputDirectory, { recursive: true });
  }
}

Deno.test("profileAll: one result each and a merged one, which has all samples", async () => {
  await using daemon = await startDaemon(finish);
  const { files, errors, mergedName } = await run({
    targets: targetsOf(daemon, "a", "b", "c"),
    mergedName: "web-merged",
  });
  assert.deepEqual(errors, {});
  assert.match(mergedName!, /^web-merged-\d{8}T\d{6}Z\.perf\.txt$/);
  const { "web-merged.perf.txt": merged, ...others } = files;
  assert.deepEqual(others, {
    "a-app.perf.txt": textOf("a"),
    "b-app.perf.txt": textOf("b"),
    "c-app.perf.txt": textOf("c"),
  });
  const { samples, events } = await foldPerfScript(ReadableStream.from([bytes(merged)]));
  assert.equal(samples, 3);
  assert.equal(events[0].stacks.length, 3);
  // Each part says what it is of, and tells readers that another clock begins.
  const names = [...merged.matchAll(/^# ========\n# recording of : (.*)\n# ========\n/gm)];
  assert.deepEqual(names.map(([, name]) => name).sort(), ["a-app", "b-app", "c-app"]);
});

Deno.test("profileAll: both kinds of results are converted", async () => {
  await using daemon = await startDaemon(finish);
  const { files } = await run({
    targets: targetsOf(daemon, "a", "b"),
    mergedName: "web-merged",
    convertTo: "folded",
  });
  const { "web-merged.folded": merged, ...others } = files;
  assert.deepEqual(others, {
    "a-app.folded": "a;main_of_a 1\n",
    "b-app.folded": "b;main_of_b 1\n",
  });
  assert.deepEqual(merged.split("\n").sort(), ["", "a;main_of_a 1", "b;main_of_b 1"]);
});

Deno.test("profileAll: the failure of one does not fail others, and one result is not merged", async () => {
  await using daemon = await startDaemon((call) => {
    if (call.request.containerId === "b") return finish(call);
    call.emit("error", { code: grpc.status.FAILED_PRECONDITION, details: "no sample" });
  });
  const heard: string[] = [];
  const { files, errors, mergedName } = await run({
    targets: targetsOf(daemon, "a", "b", "c"),
    mergedName: "web-merged",
  }, {
    onResult: (_, { containerId }) => heard.push(`${containerId} done`),
    onFailure: (_, { containerId }) => heard.push(`${containerId} failed`),
  });
  assert.deepEqual(errors, {
    a: ExitStatus.RECORDING_FAILED,
    c: ExitStatus.RECORDING_FAILED,
  });
  assert.deepEqual(heard.sort(), ["a failed", "b done", "c failed"]);
  assert.equal(mergedName, undefined);
  assert.deepEqual(Object.keys(files), ["b-app.perf.txt"]);
});

Deno.test("profileAll: at most so many at a time, and all of them in the end", async () => {
  const running: StartCall[] = [];
  let most = 0;
  let begun = 0;
  await using daemon = await startDaemon((call) => {
    begun++;
    most = Math.max(most, running.push(call));
    // Nobody is let go before as many are there as may be.
    if (running.length === 3 || begun === 7) running.splice(0).forEach(finish);
  });
  const targets = targetsOf(daemon, ..."abcdefg");
  const { results } = await run({ targets, maxConcurrent: 3 });
  assert.equal(results.length, 7);
  assert.equal(most, 3);
});

/** A refusal by a daemon whose queue is full. */
function refuse(call: StartCall, pushbackMs = 20): void {
  const metadata = new grpc.Metadata();
  metadata.set("grpc-retry-pushback-ms", `${pushbackMs}`);
  call.emit("error", {
    code: grpc.status.RESOURCE_EXHAUSTED,
    details: "the queue is full",
    metadata,
  });
}

Deno.test("profileAll: a node whose queue is full is asked again", async () => {
  let refusals = 0;
  await using daemon = await startDaemon((call) => {
    if (call.request.containerId === "b" && refusals < 3) {
      refusals++;
      return refuse(call);
    }
    finish(call);
  });
  let heard = 0;
  const { errors, results } = await run(
    { targets: targetsOf(daemon, "a", "b"), mergedName: "web-merged" },
    { onBusy: () => heard++ },
  );
  assert.deepEqual([errors, results.length, refusals, heard], [{}, 2, 3, 3]);
});

Deno.test("profileAll: it is not asked again for longer than --queue-timeout allows", async () => {
  let asked = 0;
  await using daemon = await startDaemon((call) => {
    asked++;
    refuse(call, 60_000);
  });
  const { errors } = await run({
    targets: targetsOf(daemon, "a", "b"),
    queueTimeoutSeconds: 30,
  });
  assert.deepEqual(errors, { a: ExitStatus.OTHER, b: ExitStatus.OTHER });
  assert.equal(asked, 2);
});

Deno.test("profileAll: stopped early, what runs is kept and the rest is not begun", async () => {
  const stop = new AbortController();
  const running = new Map<string, StartCall>();
  await using daemon = await startStandInDaemon({
    start(call) {
      const { containerId } = call.request;
      writeStart(call, containerId);
      running.set(containerId, call);
    },
    fetch: (call) => writeResult(call, bytes(textOf(call.request.recordingId))),
    stop: (id) =>
      writeFinished(running.get(id)!, bytes(textOf(id)), { completeness: "COMPLETENESS_STOPPED" }),
  });
  let started = 0;
  const { results, errors, files } = await run({
    targets: targetsOf(daemon, "a", "b", "c"),
    maxConcurrent: 2,
    mergedName: "web-merged",
    stopSignal: stop.signal,
  }, {
    onEvent: ({ kind }) => kind === "started" && ++started === 2 && stop.abort(),
  });
  assert.deepEqual(results.map(({ result }) => result.completeness), ["stopped", "stopped"]);
  assert.deepEqual(errors, { c: ExitStatus.INTERRUPTED });
  assert.deepEqual(Object.keys(files).sort(), [
    ...["a-app.perf.txt", "b-app.perf.txt", "web-merged.perf.txt"],
  ]);
});

Deno.test("profileAll: given up, nothing is kept", async () => {
  const giveUp = new AbortController();
  await using daemon = await startDaemon((call) => writeStart(call, call.request.containerId));
  const { errors, files } = await run({
    targets: targetsOf(daemon, "a", "b", "c"),
    maxConcurrent: 2,
    mergedName: "web-merged",
    signal: giveUp.signal,
  }, { onEvent: ({ kind }) => kind === "started" && giveUp.abort() });
  const { INTERRUPTED } = ExitStatus;
  assert.deepEqual(errors, { a: INTERRUPTED, b: INTERRUPTED, c: INTERRUPTED });
  assert.deepEqual(files, {});
});

Deno.test("profileAll: a token that cannot be had is asked for once, and said once", async () => {
  await using daemon = await startDaemon(finish);
  let asked = 0;
  const token = () => {
    asked++;
    return Promise.reject(new CliError(ExitStatus.NOT_ALLOWED, "no token"));
  };
  const access = { token, connection: { kind: "plain", because: "it is a test" } } as const;
  const targets = targetsOf(daemon, "a", "b", "c").map((target) => ({ ...target, access }));
  await assert.rejects(run({ targets }), { exitStatus: ExitStatus.NOT_ALLOWED });
  assert.equal(asked, 1);
});
