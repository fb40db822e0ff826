/**
 * What the client makes of a daemon that is killed under it, at every stage of a request, and what
 * the daemon keeps of a client that is: both real, with the real perf, on processes of this machine
 * instead of containers.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitStatus } from "../../cli/errors.ts";
import { permissionFlags } from "../../permissions.ts";
import { findChildren } from "../testing/calls.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { eventually, run } from "../testing/process.ts";
import { type Relay, startRelay } from "../testing/relay.ts";
import { buildTargets, BUSY_FUNCTION } from "../testing/targets.ts";

const targets = await buildTargets();
const MAIN = join(import.meta.dirname!, "../../cli/main.ts");
const DEADLINE_MS = 120_000;

/** A client of a test's own, in a process with the permissions of the compiled one. */
interface TestClient {
  /** What it has said on standard error so far. */
  said: string;
  /** Resolves when it has said so; rejects when it ends before. */
  says(words: RegExp): Promise<void>;
  /** Resolves with the event; rejects when the client ends before. */
  beforeItEnds(event: Promise<void>): Promise<void>;
  kill(signal: Deno.Signal): void;
  ended: Promise<{ status: number; stdout: string }>;
}

function startClient(...args: string[]): TestClient {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--frozen", ...permissionFlags("client", { embedded: false }), MAIN],
      ...args,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).spawn();
  const listeners = new Set<() => void>();
  const client: TestClient = {
    said: "",
    says: (words) =>
      new Promise((resolve, reject) => {
        const look = (ended = false) => {
          if (words.test(client.said)) resolve();
          else if (ended) reject(new Error(`it never said ${words}: ${client.said}`));
        };
        listeners.add(look);
        heard.then(() => look(true));
        look();
      }),
    beforeItEnds: (event) =>
      Promise.race([event, client.ended.then(() => assert.fail(`it has ended: ${client.said}`))]),
    kill: (signal) => process.kill(signal),
    ended: Promise.resolve({ status: 0, stdout: "" }),
  };
  const heard = (async () => {
    for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
      client.said += text;
      for (const listener of listeners) listener();
    }
  })();
  client.ended = Promise.all([process.status, new Response(process.stdout).text(), heard])
    .then(([{ code }, stdout]) => ({ status: code, stdout }));
  return client;
}

/** A daemon that can be killed and started again, at one address and with one work directory. */
interface Setting extends AsyncDisposable {
  daemon: TestDaemon;
  relay: Relay;
  /** Where the client writes to. */
  directory: string;
  /** The perf of the daemon, held up by `hold` when it converts. */
  release(): Promise<void>;
  killDaemon(): Promise<void>;
  restart(): Promise<void>;
  startClient(pid: number, ...args: string[]): TestClient;
}

async function set(
  { onBytes, held = false, args = [] }: {
    onBytes?: (total: number) => Promise<unknown> | void;
    held?: boolean;
    args?: string[];
  } = {},
): Promise<Setting> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-resume-" });
  const workDir = `${directory}/work`;
  const out = `${directory}/out`;
  const released = `${directory}/released`;
  await Deno.mkdir(workDir);
  await Deno.chmod(workDir, 0o777);
  // The real perf script is done within milliseconds: this one is when the test says so.
  await Deno.writeTextFile(
    `${directory}/perf`,
    `#!/bin/sh
[ "$1" = script ] || exec ${directory}/real "$@"
${directory}/real "$@"
until [ -e ${released} ]; do sleep 0.1; done
`,
    { mode: 0o755 },
  );
  const release = () => Deno.writeTextFile(released, "");
  if (!held) await release();
  const start = () =>
    startDaemon({
      args: ["--container-lookup", "pid", ...args],
      binds: { "/var/necoperf": workDir },
      // One that a killed daemon has left may still run.
      prepare: `[ -e ${directory}/real ] || cp "$(command -v perf)" ${directory}/real
        mount --bind ${directory}/perf "$(command -v perf)"`,
    });
  const daemon = await start();
  const relay = startRelay(daemon.address, { onBytes });
  const setting: Setting = {
    ...{ daemon, relay, release, directory: out },
    killDaemon: async () => {
      setting.daemon.kill("SIGKILL");
      await setting.daemon.status;
    },
    restart: async () => {
      await setting.daemon[Symbol.asyncDispose]();
      setting.daemon = await start();
      relay.target = setting.daemon.address;
    },
    startClient: (pid, ...args) =>
      startClient(
        ...["--daemon", relay.address, "--container-id", `${pid}`, "-o", out, "-d", "2s", ...args],
      ),
    [Symbol.asyncDispose]: async () => {
      relay[Symbol.dispose]();
      await setting.daemon[Symbol.asyncDispose]();
      await Deno.remove(directory, { recursive: true });
    },
  };
  return setting;
}

/** The client has ended well, and its one file is a whole result. */
async function assertDelivered({ directory }: Setting, client: TestClient): Promise<void> {
  const { status, stdout } = await client.ended;
  assert.equal(status, 0, client.said);
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
  assert.deepEqual(names.map((name) => join(directory, name)), [stdout.trim()], client.said);
  const text = await Deno.readTextFile(stdout.trim());
  assert.match(text, /^spin +\d+\/\d+ /);
  assert(text.includes(BUSY_FUNCTION));
}

/** How many times sampling has started. */
function recordings({ said }: TestClient): number {
  return said.match(/: recording container /g)?.length ?? 0;
}

/** No perf, no place that is taken, no file but those that are named. */
async function assertNothingLeft({ daemon }: Setting, files = 0): Promise<void> {
  await eventually(async () => {
    assert.deepEqual(await findChildren(daemon.pid), []);
    const metrics = await (await fetch(`${daemon.http}/metrics`)).text();
    assert.match(metrics, /^necoperf_recordings_running 0$/m);
    assert.equal([...Deno.readDirSync("/proc/" + daemon.pid + "/root/var/necoperf")].length, files);
  }, 40);
}

Deno.test("fetchResult: a daemon that is killed before it accepts is asked again", async () => {
  let chunks = 0;
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
  const { promise: killed, resolve: onKilled } = Promise.withResolvers<void>();
  await using setting = await set({
    // The first that comes is HTTP/2's own; what follows answers the client and is held back.
    onBytes: () => {
      if (++chunks !== 2) return;
      onAsked();
      return killed;
    },
  });
  await using target = run(targets.spin);
  const client = setting.startClient(target.pid);
  await client.beforeItEnds(asked);
  await setting.killDaemon();
  setting.relay.cut();
  onKilled();
  await client.says(/lost.*; trying again for 1m/);
  await setting.restart();
  await assertDelivered(setting, client);
  assert.equal(recordings(client), 1, client.said);
  await assertNothingLeft(setting);
});

Deno.test("fetchResult: a daemon that is killed while the recording waits is asked again", async () => {
  await using setting = await set({ args: ["--max-concurrent", "1"] });
  await using target = run(targets.spin);
  await using other = run(targets.spin);
  const first = setting.daemon.client.StartRecording({
    containerId: `${other.pid}`,
    duration: { seconds: 60, nanos: 0 },
  });
  first.on("error", () => {});
  await new Promise<void>((resolve) => first.on("data", ({ started }) => started && resolve()));
  const client = setting.startClient(target.pid);
  await client.says(/waiting: /);
  await setting.killDaemon();
  await client.says(/trying again/);
  await setting.restart();
  await assertDelivered(setting, client);
  assert.equal(recordings(client), 1, client.said);
  await assertNothingLeft(setting);
});

Deno.test("fetchResult: a daemon that is killed while it samples records again", async () => {
  await using setting = await set();
  await using target = run(targets.spin);
  const client = setting.startClient(target.pid);
  await client.says(/recording container/);
  await setting.killDaemon();
  await client.says(/trying again/);
  await setting.restart();
  await assertDelivered(setting, client);
  assert.match(client.said, /the recording was lost with the connection; recording again/);
  assert.equal(recordings(client), 2, client.said);
  await assertNothingLeft(setting);
});

Deno.test("fetchResult: connections that are cut while it samples leave the one recording", async () => {
  await using setting = await set();
  await using target = run(targets.spin);
  const client = setting.startClient(target.pid, "-d", "15s", "--retry-timeout", "5s");
  await client.says(/recording container/);
  // With pauses that are longer together than what is tried again for.
  for (let cuts = 1; cuts <= 3; cuts++) {
    const before = setting.relay.connections;
    setting.relay.cut();
    await eventually(() => assert.ok(setting.relay.connections > before));
    await new Promise((resolve) => setTimeout(resolve, 2500));
  }
  await assertDelivered(setting, client);
  assert.equal(recordings(client), 1, client.said);
  assert.doesNotMatch(client.said, /recording again/);
  assert.ok(client.said.match(/trying again/g)!.length >= 3, client.said);
  const [line, ...others] = setting.daemon.log.filter(({ method }) => method === "StartRecording");
  assert.deepEqual([line.outcome, others], ["full", []]);
  await assertNothingLeft(setting);
});

Deno.test("startRecording: a call that is cancelled ends the recording, also when its result is read", async () => {
  await using setting = await set();
  await using target = run(targets.spin);
  const { client } = setting.daemon;
  const call = client.StartRecording({
    containerId: `${target.pid}`,
    duration: { seconds: 20, nanos: 0 },
  });
  call.on("error", () => {});
  let recordingId = "";
  await new Promise<void>((resolve) =>
    call.on("data", ({ accepted, started }) => {
      recordingId ||= accepted?.recordingId ?? "";
      if (started) resolve();
    })
  );
  const fetching = client.FetchResult({ recordingId });
  const failed = new Promise<{ code?: number }>((resolve, reject) => {
    fetching.on("error", resolve);
    fetching.on("end", () => reject(new Error("there is a result")));
  });
  // Its first message is empty: the call was taken.
  await new Promise<void>((resolve) =>
    fetching.on("data", ({ data }) => {
      assert.equal(data.length, 0);
      resolve();
      call.cancel();
    })
  );
  await failed;
  await assertNothingLeft(setting);
});

Deno.test("fetchResult: a daemon that is killed while it converts records again", async () => {
  await using setting = await set({ held: true });
  await using target = run(targets.spin);
  const client = setting.startClient(target.pid);
  await client.says(/converting/);
  await setting.killDaemon();
  await setting.release();
  await setting.restart();
  await assertDelivered(setting, client);
  assert.equal(recordings(client), 2, client.said);
  await assertNothingLeft(setting);
});

/** Lets so many bytes of the daemon's through, and then no more until it is released. */
function barrier(bytes: number) {
  const { promise: reached, resolve: onReached } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const onBytes = (total: number) => {
    if (total < bytes) return;
    onReached();
    return released;
  };
  return { onBytes, reached, release };
}

/** Much for what it takes, as copies of the stack are in it; until there is enough. */
const LARGE = ["-F", "999", "--call-graph", "dwarf", "--format", "data", "-d", "2m"];

function stopped({ outcome, method }: Record<string, unknown>): boolean {
  return method === "StartRecording" && outcome === "stopped";
}

Deno.test("fetchResult: a download goes on where it stopped when the daemon was killed", async () => {
  const { onBytes, reached, release } = barrier(50_000);
  await using setting = await set({ onBytes });
  await using target = run(targets.spinDynamic);
  const client = setting.startClient(target.pid, ...LARGE);
  await client.beforeItEnds(reached);
  client.kill("SIGINT");
  await setting.daemon.logged(stopped);
  await setting.killDaemon();
  // What is held back is lost, and so there is something for the next to send.
  setting.relay.cut();
  release();
  await client.says(/trying again/);
  await setting.restart();
  const { status, stdout } = await client.ended;
  assert.equal(status, ExitStatus.PARTIAL, client.said);
  assert.equal(recordings(client), 1, client.said);
  // Less than all of it came from the second daemon.
  const sent = await setting.daemon.logged(({ method }) => method === "FetchResult");
  assert(Number(sent.sentBytes) > 0, JSON.stringify(sent));
  assert.equal((await Deno.stat(stdout.trim())).isFile, true);
  await assertNothingLeft(setting);
});

Deno.test("fetchResult: a client that stood still for longer than the daemon waits records again", async () => {
  await using setting = await set();
  await using target = run(targets.spin);
  const client = setting.startClient(target.pid, "-d", "5m");
  await client.says(/recording container/);
  // As when a laptop is closed: no sign of life comes from it.
  client.kill("SIGSTOP");
  await setting.daemon.logged(({ outcome }) => outcome === "cancelled");
  client.kill("SIGCONT");
  await client.says(/lost.*; trying again for 1m/);
  await client.says(/; recording again\n[^]*: recording container/);
  client.kill("SIGTERM");
  assert.equal((await client.ended).status, ExitStatus.INTERRUPTED, client.said);
  await assertNothingLeft(setting);
});

Deno.test("fetchResult: a daemon that is killed when all has arrived changes nothing", async () => {
  await using setting = await set();
  await using target = run(targets.spin);
  const client = setting.startClient(target.pid);
  await client.says(/converting/);
  await eventually(() =>
    assert([...Deno.readDirSync(setting.directory)].some(({ name }) => name.endsWith(".txt")))
  );
  await setting.killDaemon();
  await assertDelivered(setting, client);
});

Deno.test("fetchResult: a client that is killed while it waits or samples leaves nothing", async () => {
  await using setting = await set({ args: ["--max-concurrent", "1"] });
  await using target = run(targets.spin);
  await using other = run(targets.spin);
  const sampling = setting.startClient(target.pid, "-d", "1m");
  await sampling.says(/recording container/);
  const waiting = setting.startClient(other.pid, "-d", "1m");
  await waiting.says(/waiting: /);
  for (const client of [waiting, sampling]) {
    client.kill("SIGKILL");
    await client.ended;
  }
  await assertNothingLeft(setting);
});

Deno.test("fetchResult: the result of a client that was killed in the conversion is fetched", async () => {
  await using setting = await set({ held: true });
  await using target = run(targets.spin);
  const client = setting.startClient(target.pid);
  await client.says(/converting/);
  client.kill("SIGKILL");
  await client.ended;
  await setting.release();
  const [, id] = /, id (\S+)/.exec(client.said)!;
  await Deno.remove(setting.directory, { recursive: true });
  const fetching = startClient(
    "fetch",
    id,
    "--daemon",
    setting.relay.address,
    "-o",
    setting.directory,
  );
  await assertDelivered(setting, fetching);
  await assertNothingLeft(setting);
});

Deno.test("fetchResult: a fetch goes on from what a killed client has left, and then there is nothing", async () => {
  const { onBytes, reached, release } = barrier(50_000);
  await using setting = await set({ onBytes });
  await using target = run(targets.spinDynamic);
  const client = setting.startClient(target.pid, ...LARGE);
  await client.beforeItEnds(reached);
  client.kill("SIGINT");
  await setting.daemon.logged(stopped);
  client.kill("SIGKILL");
  await client.ended;
  release();
  const [, id] = /, id (\S+)/.exec(client.said)!;
  const partial = `${setting.directory}/.necoperf-${id}.partial.gz`;
  const { size } = await Deno.stat(partial);
  assert(size > 0);
  const kept = `/proc/${setting.daemon.pid}/root/var/necoperf/${id}.result.gz`;
  const { size: whole } = await Deno.stat(kept);
  const args = ["fetch", id, "--daemon", setting.relay.address, "-o", setting.directory];
  const fetching = startClient(...args, "--format", "data");
  assert.equal((await fetching.ended).status, ExitStatus.PARTIAL, fetching.said);
  const sent = () =>
    setting.daemon.log.filter(({ method }) => method === "FetchResult")
      .map(({ sentBytes }) => sentBytes);
  await eventually(() => assert(sent().includes(whole - size), `${sent()} of ${whole}, ${size}`));
  await assert.rejects(Deno.stat(partial), Deno.errors.NotFound);
  await assertNothingLeft(setting);

  const again = startClient(...args);
  assert.equal((await again.ended).status, 3, again.said);
  assert.match(again.said, /record again/);
});

Deno.test("fetchResult: a daemon that stays away: exit status 5, and the command that goes on later", async () => {
  await using setting = await set({ held: true });
  await using target = run(targets.spin);
  const client = setting.startClient(target.pid, "--retry-timeout", "2s");
  await client.says(/converting/);
  setting.relay.target = "127.0.0.1:1";
  setting.relay.cut();
  await setting.release();
  assert.equal((await client.ended).status, 5, client.said);
  const [, command] = /^necoperf-client: +necoperf-client (fetch .*)$/m.exec(client.said)!;
  setting.relay.target = setting.daemon.address;
  const fetching = startClient(...command.split(" "));
  await assertDelivered(setting, fetching);
  const { stdout } = await fetching.ended;
  assert.match(stdout, new RegExp(`/${target.pid}-\\w+\\.perf\\.txt\n$`));
  await assertNothingLeft(setting);
});
