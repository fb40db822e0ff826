import assert from "node:assert/strict";
import { createHttpHandler } from "../../../daemon/operations/http.ts";
import { Metrics } from "../../../daemon/operations/metrics.ts";
import { type Check, ReadinessProbe } from "../../../daemon/operations/readiness.ts";

function serve(...checks: Check[]) {
  const metrics = new Metrics({ running: 1, waiting: 2 });
  const readiness = new ReadinessProbe(checks);
  const handle = createHttpHandler(metrics, readiness);
  return {
    metrics,
    readiness,
    async get(path: string, method = "GET") {
      const { status, headers, body } = await handle(method, path);
      return new Response(body, { status, headers });
    },
  };
}

const works: Check = { name: "perf", run: () => Promise.resolve() };
const fails: Check = { name: "lookup", run: () => Promise.reject(new Error("no socket")) };

Deno.test("createHttpHandler: /readyz lists every check and fails when one does", async () => {
  const good = await serve(works).get("/readyz");
  assert.equal(good.status, 200);
  assert.equal(await good.text(), "[+]perf ok\n");
  const bad = await serve(works, fails).get("/readyz");
  assert.equal(bad.status, 503);
  assert.equal(await bad.text(), "[+]perf ok\n[-]lookup failed: no socket\n");
});

Deno.test("createHttpHandler: a warning is told and does not make the daemon unready", async () => {
  const { readiness, get } = serve(works);
  readiness.warn("perf is old");
  const response = await get("/readyz");
  assert.equal(response.status, 200);
  assert.match(await response.text(), /^\[!\]perf is old$/m);
});

Deno.test("createHttpHandler: checks are not run for each of many who ask, and again when invalidated", async () => {
  let runs = 0;
  const { readiness, get } = serve({ name: "perf", run: () => Promise.resolve(void runs++) });
  assert.equal(readiness.passed("perf"), false);
  await Promise.all([get("/readyz"), get("/readyz")]);
  await get("/readyz");
  assert.equal(runs, 1);
  assert.equal(readiness.passed("perf"), true);
  readiness.invalidate();
  await get("/readyz");
  assert.equal(runs, 2);
});

Deno.test("createHttpHandler: /healthz does not depend on the checks", async () => {
  assert.equal((await serve(fails).get("/healthz")).status, 200);
});

Deno.test("createHttpHandler: /metrics are Prometheus' text", async () => {
  const { metrics, get } = serve(works);
  metrics.recordingEnded("full", 2);
  metrics.versions("6.1", "6.18", false);
  const response = await get("/metrics");
  assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  assert.match(text, /^necoperf_recordings_total\{outcome="full"\} 1$/m);
  assert.match(text, /^necoperf_recording_duration_seconds_sum\{outcome="full"\} 2$/m);
  assert.match(text, /^necoperf_recordings_running 1$/m);
  assert.match(text, /^necoperf_queue_length 2$/m);
  assert.match(text, /^necoperf_perf_version_trusted 0$/m);
  assert.match(text, /^process_resident_memory_bytes \d{7,}/m);
});

Deno.test("createHttpHandler: other paths and methods are refused", async () => {
  assert.equal((await serve(works).get("/")).status, 404);
  assert.equal((await serve(works).get("/metrics/x")).status, 404);
  assert.equal((await serve(works).get("/metrics", "POST")).status, 405);
});
