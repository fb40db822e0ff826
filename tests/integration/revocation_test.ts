/**
 * How long a right that was taken away still works: the number that docs/administrators.md gives.
 * The real daemon and real containers; the API server stands in, so that the right goes at a moment
 * of the test's choice. Nothing here can be too slow: after the time that is documented every way
 * is closed.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { RecordingEvent__Output } from "../../proto/gen/necoperf/RecordingEvent.ts";
import type { RecordOptions } from "../../proto/gen/necoperf/RecordOptions.ts";
import { ExitStatus } from "../../cli/errors.ts";
import { permissionFlags } from "../../permissions.ts";
import { grpc } from "../../proto/grpc.ts";
import {
  type AccessApi,
  type AccessRules,
  type ListedPod,
  startAccessApi,
} from "../testing/access_api.ts";
import { startContainerd, type TestContainer } from "../testing/containerd.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { eventually } from "../testing/process.ts";

const MAIN = join(import.meta.dirname!, "../../cli/main.ts");
const SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount";
const BUSY = ["/bin/sh", "-c", "while :; do i=0; while [ $i -lt 9999 ]; do i=$((i+1)); done; done"];

const documentedSeconds = await (async () => {
  const url = new URL("../../docs/administrators.md", import.meta.url);
  const [, seconds] = /stops working\s+within (\d+) seconds/.exec(await Deno.readTextFile(url)) ??
    [];
  assert.ok(seconds, "docs/administrators.md does not say how long a revoked right still works");
  return Number(seconds);
})();

function toListedPod(
  { podNamespace, podName, podUid, id, containerName }: TestContainer,
): ListedPod {
  const containers = [{ id, name: containerName }];
  return { namespace: podNamespace, name: podName, uid: podUid, containers };
}

function bearer(token: string): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

/** A call of a method that streams; `until` resolves when an event of that kind comes. */
function start<Message>(call: grpc.ClientReadableStream<Message>) {
  const messages: Message[] = [];
  const seen = new Map<string, PromiseWithResolvers<void>>();
  const until = (event: string) => {
    const waiting = seen.get(event) ?? Promise.withResolvers<void>();
    seen.set(event, waiting);
    return waiting.promise;
  };
  const ended = new Promise<{ code: grpc.status; details: string } | undefined>((resolve) => {
    call.on("data", (message: Message) => {
      messages.push(message);
      const { event = "data" } = message as Partial<RecordingEvent__Output>;
      until(event);
      seen.get(event)!.resolve();
    });
    call.on("end", () => resolve(undefined));
    call.on("error", ({ code, details }: grpc.ServiceError) => resolve({ code, details }));
  });
  return { messages, until, ended };
}

/** perf.data with copies of stacks: there is always something to download while it is made. */
const LARGE: RecordOptions = {
  format: "FORMAT_DATA",
  callGraph: "CALL_GRAPH_DWARF",
  frequency: 499,
};

/** A daemon that asks the API server for each call. */
function startAuthorizingDaemon(api: AccessApi): Promise<TestDaemon> {
  return startDaemon({
    args: [
      ...["--auth", "kubernetes", "--kube-api", api.server, "--node-name", "n1"],
      ...["--container-lookup", "cgroup"],
    ],
    binds: { [SERVICE_ACCOUNT_DIR]: api.serviceAccountDir },
  });
}

function record(
  { client }: TestDaemon,
  token: string,
  containerId: string,
  seconds: number,
  options?: RecordOptions,
) {
  const request = { containerId, duration: { seconds, nanos: 0 }, options };
  return start<RecordingEvent__Output>(client.StartRecording(request, bearer(token)));
}

function fetch({ client }: TestDaemon, token: string, recordingId: string) {
  return start(client.FetchResult({ recordingId }, bearer(token)));
}

function idOf({ messages }: { messages: RecordingEvent__Output[] }): string {
  return messages.find(({ accepted }) => accepted)!.accepted!.recordingId;
}

/** A way to take away what a caller had, and what the daemon then answers. */
const WAYS: [what: string, code: grpc.status, revoke: (rules: AccessRules) => void][] = [
  ["a Role", grpc.status.PERMISSION_DENIED, ({ rights }) => rights.clear()],
  ["a service account", grpc.status.UNAUTHENTICATED, ({ tokens }) => tokens.clear()],
];

Deno.test("revocation: a right that is taken away closes every way to a profile in the documented time", async (t) => {
  await using containerd = await startContainerd();
  const [first, second] = [
    await containerd.run({ command: BUSY, podNamespace: "shop", podName: "web-0" }),
    await containerd.run({ command: BUSY, podNamespace: "shop", podName: "web-1" }),
  ];
  for (const [what, code, revoke] of WAYS) {
    await t.step(what, async () => {
      const rules: AccessRules = {
        tokens: new Map([["alices-token", "alice"]]),
        rights: new Set([
          ...["profiles", "profiles/kernel"].map((right) => `alice may create ${right} in shop`),
        ]),
        pods: [toListedPod(first), toListedPod(second)],
      };
      await using api = await startAccessApi(rules);
      await using daemon = await startAuthorizingDaemon(api);
      const { client } = daemon;
      const token = "alices-token";
      const finished = record(daemon, token, first.id, 1);
      assert.equal(await finished.ended, undefined);
      assert.equal(await fetch(daemon, token, idOf(finished)).ended, undefined);

      // Longer than the right still works, all of it begun while there was one.
      const long = documentedSeconds + 2;
      const running = record(daemon, token, first.id, long, LARGE);
      await running.until("started");
      const queued = record(daemon, token, first.id, 1);
      await queued.until("queued");
      const following = fetch(daemon, token, idOf(running));
      await following.until("data");
      const profile = start(client.Profile(
        { containerId: second.id, timeout: { seconds: long, nanos: 0 } },
        bearer(token),
      ));
      await eventually(async () => {
        const metrics = await (await globalThis.fetch(`${daemon.http}/metrics`)).text();
        assert.match(metrics, /^necoperf_recordings_running 2$/m);
      });
      revoke(rules);
      await new Promise((resolve) => setTimeout(resolve, documentedSeconds * 1000));

      assert.equal((await record(daemon, token, first.id, 1).ended)?.code, code, "a new one");
      assert.equal((await fetch(daemon, token, idOf(finished)).ended)?.code, code, "a result");
      assert.equal((await following.ended)?.code, code, "a download");
      assert.equal((await queued.ended)?.code, code, "one that waited");
      assert.ok(!queued.messages.some(({ started }) => started), "it was not started");
      assert.equal((await profile.ended)?.code, code, "an answer of Profile");
      assert.deepEqual(profile.messages, []);
      // What ran goes on to its end, but nobody gets it.
      assert.equal(await running.ended, undefined);
      assert.equal((await fetch(daemon, token, idOf(running)).ended)?.code, code);
      const denied = daemon.log.filter(({ decision }) => decision === "denied");
      const methods = new Set(denied.map(({ method }) => method));
      assert.deepEqual(methods, new Set(["StartRecording", "FetchResult", "Profile"]));
    });
  }
});

Deno.test("revocation: a right to the kernel's side that is taken away while a recording waits leaves it the user's side", async () => {
  await using containerd = await startContainerd();
  const target = await containerd.run({ command: BUSY, podNamespace: "shop", podName: "web-0" });
  const rules: AccessRules = {
    tokens: new Map([["alices-token", "alice"]]),
    rights: new Set(
      ["profiles", "profiles/kernel"].map((what) => `alice may create ${what} in shop`),
    ),
    pods: [toListedPod(target)],
  };
  await using api = await startAccessApi(rules);
  await using daemon = await startAuthorizingDaemon(api);
  const token = "alices-token";
  const running = record(daemon, token, target.id, documentedSeconds);
  await running.until("started");
  const queued = record(daemon, token, target.id, 1);
  await queued.until("queued");
  rules.rights.delete("alice may create profiles/kernel in shop");
  assert.equal(await queued.ended, undefined);
  const sideOf = (events: RecordingEvent__Output[]) =>
    events.find(({ started }) => started)!.started!.side;
  assert.equal(sideOf(running.messages), "SIDE_BOTH");
  assert.equal(sideOf(queued.messages), "SIDE_USER");
  assert.equal(await fetch(daemon, token, idOf(queued)).ended, undefined);
});

Deno.test("revocation: the client of a caller whose right is taken away meanwhile says so, and leaves no file", async () => {
  await using containerd = await startContainerd();
  const target = await containerd.run({ command: BUSY, podNamespace: "shop", podName: "web-0" });
  const rules: AccessRules = {
    tokens: new Map([["alices-token", "alice"]]),
    rights: new Set(["alice may create profiles in shop"]),
    pods: [toListedPod(target)],
  };
  await using api = await startAccessApi(rules);
  await using daemon = await startAuthorizingDaemon(api);
  const directory = await Deno.makeTempDir({ prefix: "necoperf-revocation-" });
  try {
    const out = `${directory}/out`;
    await Deno.writeTextFile(`${directory}/token`, "alices-token");
    const client = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--frozen", ...permissionFlags("client", { embedded: false })],
        ...[MAIN, "--daemon", daemon.address, "--container-id", target.id],
        ...["--token-file", `${directory}/token`, "--insecure-send-token"],
        ...["-d", `${documentedSeconds + 2}s`, "-o", out],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    await eventually(async () => {
      const metrics = await (await globalThis.fetch(`${daemon.http}/metrics`)).text();
      assert.match(metrics, /^necoperf_recordings_running 1$/m);
    });
    rules.rights.clear();
    const { code, stdout, stderr } = await client;
    const said = new TextDecoder().decode(stderr);
    assert.equal(code, ExitStatus.NOT_ALLOWED, said);
    assert.match(said, /user "alice" may not profile this container/);
    assert.equal(stdout.length, 0);
    const files = await Array.fromAsync(Deno.readDir(out)).catch(() => []);
    assert.deepEqual(files, []);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
