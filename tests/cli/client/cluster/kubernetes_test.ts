import assert from "node:assert/strict";
import type { SentRequest } from "../../../../cli/client/cluster/api_client.ts";
import { ExitStatus } from "../../../../cli/errors.ts";
import { openCluster } from "../../../../cli/client/cluster/kubernetes.ts";
import { runningPod, startStandInApi } from "../../stand_in_api.ts";

Deno.test("openCluster: each request is told with its status, and nothing of who asks", async () => {
  await using api = await startStandInApi({ pods: [runningPod("web-0", "n1")] });
  const config = JSON.parse(await Deno.readTextFile(api.kubeconfig));
  config.users[0].user = { token: "s3cret" };
  const { server } = config.clusters[0].cluster;
  config.clusters[0].cluster.server = server.replace("//", "//user:s3cret@");
  await Deno.writeTextFile(api.kubeconfig, JSON.stringify(config));
  const told: SentRequest[] = [];
  const { kubeconfig } = api;
  const cluster = await openCluster({ kubeconfig, onRequest: (request) => told.push(request) });
  await cluster.readPod("shop", "web-0");
  await assert.rejects(cluster.readPod("shop", "nobody"));
  await cluster.selectPods("shop", { label: "app=web" });
  const pods = `${server}/api/v1/namespaces/shop/pods`;
  assert.deepEqual(told.map(({ milliseconds: _, ...request }) => request), [
    { method: "GET", url: `${pods}/web-0`, outcome: "200 OK" },
    { method: "GET", url: `${pods}/nobody`, outcome: "404 Not Found" },
    { method: "GET", url: `${pods}?labelSelector=app%3Dweb&limit=500`, outcome: "200 OK" },
  ]);
  assert(told.every(({ milliseconds }) => Number.isInteger(milliseconds)));
  assert(!Deno.inspect(told).includes("s3cret"));
});

Deno.test("openCluster: an answer is waited for as long as was asked for", async () => {
  // Takes connections and says nothing.
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using api = await startStandInApi({ pods: [] });
  const config = JSON.parse(await Deno.readTextFile(api.kubeconfig));
  config.clusters[0].cluster.server = `http://127.0.0.1:${listener.addr.port}`;
  await Deno.writeTextFile(api.kubeconfig, JSON.stringify(config));
  const outcomes: string[] = [];
  const cluster = await openCluster({
    kubeconfig: api.kubeconfig,
    requestTimeoutSeconds: 0.05,
    onRequest: ({ outcome }) => outcomes.push(outcome),
  });
  await assert.rejects(cluster.readPod("shop", "web-0"), {
    exitStatus: ExitStatus.UNREACHABLE,
    message: /no answer within 50ms \(--request-timeout\)/,
  });
  assert.match(outcomes[0], /^no answer/);
  // Without a timeout the caller's signal is what ends it.
  const giveUp = new AbortController();
  const patient = await openCluster(
    { kubeconfig: api.kubeconfig, requestTimeoutSeconds: 0 },
    giveUp.signal,
  );
  const accepted = listener.accept();
  const asked = patient.readPod("shop", "web-0");
  using _ = await accepted;
  giveUp.abort();
  await assert.rejects(asked, { exitStatus: ExitStatus.INTERRUPTED });
});

Deno.test("openCluster: an answer without an end is given up, not kept", async () => {
  let sentBytes = 0;
  const chunk = new Uint8Array(1 << 20).fill(0x20);
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () =>
      new Response(
        new ReadableStream({
          pull: (controller) => {
            sentBytes += chunk.length;
            controller.enqueue(chunk);
          },
        }),
        { headers: { "content-type": "application/json" } },
      ),
  );
  await using api = await startStandInApi({ pods: [] });
  const config = JSON.parse(await Deno.readTextFile(api.kubeconfig));
  config.clusters[0].cluster.server = `http://127.0.0.1:${server.addr.port}`;
  await Deno.writeTextFile(api.kubeconfig, JSON.stringify(config));
  const cluster = await openCluster({ kubeconfig: api.kubeconfig });
  await assert.rejects(cluster.readPod("shop", "web-0"), {
    exitStatus: ExitStatus.UNREACHABLE,
    message: /its answer is too large/,
  });
  assert.ok(sentBytes < 128 << 20, `${sentBytes} bytes`);
});

/** Runs a test with a cluster whose API server gives the same answer to everything. */
async function withAnswers(
  answer: () => Response,
  test: (cluster: Awaited<ReturnType<typeof openCluster>>) => Promise<void>,
): Promise<void> {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    answer,
  );
  await using api = await startStandInApi({ pods: [] });
  const config = JSON.parse(await Deno.readTextFile(api.kubeconfig));
  config.clusters[0].cluster.server = `http://127.0.0.1:${server.addr.port}`;
  await Deno.writeTextFile(api.kubeconfig, JSON.stringify(config));
  await test(await openCluster({ kubeconfig: api.kubeconfig, requestTimeoutSeconds: 2 }));
}

Deno.test("openCluster: an answer that comes byte by byte is also given up", async () => {
  let timer: ReturnType<typeof setInterval> | undefined;
  const answer = () =>
    new Response(
      new ReadableStream({
        start: (controller) => {
          timer = setInterval(() => controller.enqueue(Uint8Array.of(0x20)), 100);
        },
        cancel: () => clearInterval(timer),
      }),
    );
  await withAnswers(answer, async (cluster) => {
    await assert.rejects(cluster.readPod("shop", "web-0"), {
      exitStatus: ExitStatus.UNREACHABLE,
      message: /no answer within 2s \(--request-timeout\)/,
    });
  });
});

Deno.test("openCluster: an answer that is not an API server's is refused as such", async () => {
  const others = ["null", "[]", "<html>", "", "{}", '{"items": 1}', '{"items": [null]}'];
  for (const text of others) {
    const answer = () => new Response(text, { headers: { "content-type": "application/json" } });
    await withAnswers(answer, async (cluster) => {
      for (
        const ask of [
          () => cluster.readPod("shop", "web-0"),
          () => cluster.listPods("shop", { label: "a=b", nodeName: "n1" }),
          () => cluster.selectPods("shop", {}),
        ]
      ) {
        await assert.rejects(ask, {
          exitStatus: ExitStatus.UNREACHABLE,
          message: /its answer is not (a JSON object|what was asked for)$/,
        });
      }
    });
  }
});
