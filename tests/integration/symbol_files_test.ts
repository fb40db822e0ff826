/**
 * Symbols come from the target's own files or from none: real containers, whose processes have gone
 * when perf script looks for their files, and files of others that have the names it looks for.
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { gunzipSync } from "node:zlib";
import type { RecordOptions } from "../../proto/gen/necoperf/RecordOptions.ts";
import { collect, fetchResult } from "../testing/calls.ts";
import {
  createContainerLookup,
  type OpenContainerLookup,
} from "../../daemon/containers/container_lookup.ts";
import {
  poll,
  startContainerd,
  type TestContainer,
  type TestContainerd,
} from "../testing/containerd.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { buildTargets, BUSY_FUNCTION, DECOY_FUNCTION } from "../testing/targets.ts";

const targets = await buildTargets();

/** As long as this a process lives: perf script reads of it when it has gone. */
const LIFE_SECONDS = 0.02;

function daemonOf(binds: Record<string, string> = {}): Promise<TestDaemon> {
  return startDaemon({ args: ["--container-lookup", "cgroup", "--node-name", "test"], binds });
}

async function recordText(
  daemon: TestDaemon,
  container: TestContainer,
  options: RecordOptions = {},
): Promise<string> {
  const events = await collect(daemon, {
    containerId: container.id,
    duration: { seconds: 2, nanos: 0 },
    options: { frequency: 999, side: "SIDE_USER", ...options },
  });
  const { recordingId } = events[0].accepted!;
  return gunzipSync(await fetchResult(daemon, recordingId)).toString();
}

/** The names of the frames in a file, each as often as it is there. */
function namesIn(text: string, file: string): string[] {
  const lines = text.split("\n").filter((line) => line.endsWith(`(${file})`));
  return lines.map((line) => /^\s*[0-9a-f]+ (\S+?)(?:\+0x[0-9a-f]+)? \(/.exec(line)![1]);
}

/** The daemon's image stands for what else has files of the same names: here is a program in it. */
async function imageWith(program: string): Promise<{ directory: string } & AsyncDisposable> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-symbols-" });
  await Deno.chmod(directory, 0o755);
  await Deno.mkdir(`${directory}/image`);
  await Deno.mkdir(`${directory}/place`);
  await Deno.copyFile(program, `${directory}/image/app`);
  return {
    directory,
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

interface Running {
  container: TestContainer;
  pid: number;
}

/** How a shell runs a program: for long, or anew over and over, each for a moment. */
const START = {
  long: (path: string) => `exec ${path}`,
  shortly: (path: string) => `while :; do ${path} ${LIFE_SECONDS}; done`,
};

/** Runs a container in which a shell does `start` when it has `program` at `path`. */
async function runProgram(
  containerd: TestContainerd,
  program: string,
  path: string,
  start = START.long(path),
): Promise<Running> {
  const container = await containerd.run({
    command: ["/bin/sh", "-c", `until [ -e /tmp/go ]; do sleep 0.1; done; ${start}`],
  });
  using lookup = openLookup();
  const { mainPid } = await lookup.find(container.id);
  const root = `/proc/${mainPid}/root`;
  await Deno.mkdir(`${root}${dirname(path)}`, { recursive: true });
  await Deno.copyFile(program, `${root}${path}`);
  await Deno.writeTextFile(`${root}/tmp/go`, "");
  return { container, pid: mainPid };
}

/**
 * Runs a container whose short-lived processes are those of a `program` at `path` below `procDir`,
 * which anyone can have in a user namespace.
 */
async function runBelow(
  containerd: TestContainerd,
  procDir: string,
  program: string,
  path: string,
): Promise<TestContainer> {
  const inNamespace = [
    `mount -t tmpfs tmpfs ${procDir}`,
    `mkdir -p ${dirname(path)}`,
    `cp /tmp/program ${path}`,
    `while :; do ${path} ${LIFE_SECONDS}; done`,
  ].join(" && ");
  const { container } = await runProgram(
    containerd,
    program,
    "/tmp/program",
    `mkdir -p ${procDir} && exec unshare -U -r -m sh -c '${inNamespace}'`,
  );
  return container;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

function openLookup(): OpenContainerLookup & Disposable {
  const lookup = createContainerLookup({
    by: "cgroup",
    procDir: "/proc",
    runtimeEndpoint: "unix:///nowhere",
  });
  return Object.assign(lookup, { [Symbol.dispose]: () => lookup.close() });
}

Deno.test("perf script: a file of the daemon's image names no function of a container", async (t) => {
  await using containerd = await startContainerd();
  await using image = await imageWith(targets.spinDecoy);
  const path = `${image.directory}/place/app`;
  await using daemon = await daemonOf({ [dirname(path)]: `${image.directory}/image` });

  await t.step("processes that have gone have their own names, or none", async () => {
    const { container } = await runProgram(containerd, targets.spin, path, START.shortly(path));
    const names = namesIn(await recordText(daemon, container), path);
    assert.ok(names.length > 10, `${names.length} frames`);
    const wrong = names.filter((name) =>
      !/^(necoperf_\w+|main|_start|__\w+|\[unknown\])$/.test(name)
    );
    assert.deepEqual([...new Set(wrong)], []);
    await containerd.stopContainer(container.id);
  });

  await t.step(
    "processes that have gone have the names of files that others have as well",
    async () => {
      // Never sampled, so that perf has not read its files when it reads of the others.
      const start = `${path} 0 & sleep 1; kill -STOP $!; >/tmp/stopped; ${START.shortly(path)}`;
      const { container, pid } = await runProgram(containerd, targets.spin, path, start);
      await poll("a process to be stopped", () => exists(`/proc/${pid}/root/tmp/stopped`));
      const names = namesIn(await recordText(daemon, container), path);
      assert.ok(names.length > 10, `${names.length} frames`);
      assert.ok(names.includes(BUSY_FUNCTION));
      assert.ok(!names.includes("[unknown]"), names.join());
      await containerd.stopContainer(container.id);
    },
  );

  await t.step("a process that is there has the names of its own file", async () => {
    const { container } = await runProgram(containerd, targets.spin, path);
    const names = namesIn(await recordText(daemon, container), path);
    assert.ok(names.includes(BUSY_FUNCTION), names.slice(0, 9).join());
    assert.ok(!names.includes(DECOY_FUNCTION));
    await containerd.stopContainer(container.id);
  });

  for (const lives of ["long", "shortly"] as const) {
    for (const inline of [false, true]) {
      const how = `${lives}${inline ? ", with inlined functions" : ""}`;
      await t.step(`a file without names has none (${how})`, async () => {
        const { container } = await runProgram(
          containerd,
          targets.spinBare,
          path,
          START[lives](path),
        );
        const text = await recordText(daemon, container, { inline });
        const names = namesIn(text, path);
        assert.ok(names.length > 10, `${names.length} frames`);
        assert.deepEqual([...new Set(names)], ["[unknown]"]);
        assert.ok(!text.includes("decoy"));
        await containerd.stopContainer(container.id);
      });
    }
  }
});

Deno.test("perf script: a file named as another container's through /proc says nothing of that", async (t) => {
  await using containerd = await startContainerd();
  const victimPath = "/opt/victim";
  const victim = await runProgram(containerd, targets.spinDecoy, victimPath);
  await using daemon = await daemonOf();
  // As the daemon sees it, where the host's /proc is mounted and where its own is.
  for (const procDir of ["/host/proc", "/proc"]) {
    const path = `${procDir}/${victim.pid}/root${victimPath}`;
    for (const inline of [false, true]) {
      await t.step(`below ${procDir}${inline ? ", with inlined functions" : ""}`, async () => {
        const attacker = await runBelow(containerd, procDir, targets.spinBare, path);
        const text = await recordText(daemon, attacker, { inline });
        const names = namesIn(text, path);
        assert.ok(names.length > 10, `${names.length} frames`);
        assert.deepEqual([...new Set(names)], ["[unknown]"]);
        assert.ok(!text.includes("decoy"));
        await containerd.stopContainer(attacker.id);
      });
    }
  }
});
