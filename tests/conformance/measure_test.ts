/**
 * Shows that the runtime still crashes without `proto/deferred_session_close.ts`, with the same
 * traffic that `runtime_test.ts` shows to be harmless with it.
 */
import assert from "node:assert/strict";
import { type Child, freePort, startClient, startServer, temporaryDirectory } from "./child.ts";
import { sayGoawayToServer, serveGoaway } from "./frames.ts";

const TRIES = 50;

/** Runs the traffic until the process has crashed, and fails when it does not. */
async function assertCrashes(child: Child, traffic: () => Promise<unknown>): Promise<void> {
  let crashed = false;
  const ended = child.ended().then((end) => {
    crashed = true;
    return end;
  });
  ended.catch(() => {});
  for (let tries = 0; !crashed && tries < TRIES; tries++) {
    // What is said to a process that crashes fails.
    await traffic().catch(() => {});
  }
  assert.ok(
    crashed,
    "the measure in proto/deferred_session_close.ts is no longer needed: remove it",
  );
  const { signal, stderr } = await ended;
  assert.match(`${signal}`, /^SIG(ABRT|SEGV|BUS|TRAP)$/, stderr);
}

Deno.test("measure: without the measure, a client that closes its connection crashes the server", async () => {
  await using server = await startServer({ perturb: true, withoutMeasure: true });
  await using client = await startClient(server.address, { perturb: false });
  await assertCrashes(server, () => client.ask("churn", 1));
});

Deno.test("measure: without the measure, GOAWAY with an error crashes the server", async () => {
  await using server = await startServer({ perturb: true, withoutMeasure: true });
  await assertCrashes(server, () => sayGoawayToServer(server.address, 11));
});

Deno.test("measure: without the measure, a server that ends crashes the client", async () => {
  const address = `127.0.0.1:${freePort()}`;
  await using client = await startClient(address, { perturb: true, withoutMeasure: true });
  await assertCrashes(client, async () => {
    await using server = await startServer({ perturb: false }, address);
    await client.ask("open", 1);
    await server.endInOrder();
  });
});

Deno.test("measure: without the measure, GOAWAY with an error crashes the client", async () => {
  const port = freePort();
  const variant = { perturb: true, withoutMeasure: true };
  await using client = await startClient(`127.0.0.1:${port}`, variant);
  await using _server = serveGoaway({ port }, 11);
  await assertCrashes(client, () => client.ask("deadline", 1, 1000));
});

Deno.test("measure: without the measure, a container runtime that ends crashes its client", async () => {
  await using directory = await temporaryDirectory();
  const address = `unix://${directory.path}/runtime.sock`;
  await using client = await startClient(address, { perturb: true, withoutMeasure: true });
  await assertCrashes(client, async () => {
    await using server = await startServer({ perturb: false }, address);
    await client.ask("containerStatus", "any", 1000);
    await server.endInOrder();
  });
});

Deno.test("measure: without the measure, GOAWAY with an error crashes the runtime's client", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/runtime.sock`;
  const variant = { perturb: true, withoutMeasure: true };
  await using client = await startClient(`unix://${path}`, variant);
  await using _server = serveGoaway({ path }, 11);
  await assertCrashes(client, () => client.ask("containerStatus", "any", 1000));
});
