import assert from "node:assert/strict";
import type { GetDaemonInfoResponse__Output } from "../../proto/gen/necoperf/GetDaemonInfoResponse.ts";
import { VERSION } from "../../version.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";

function getDaemonInfo(daemon: TestDaemon): Promise<GetDaemonInfoResponse__Output> {
  return new Promise((resolve, reject) =>
    daemon.client.GetDaemonInfo({}, (error, info) => error ? reject(error) : resolve(info!))
  );
}

async function output(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(command, { args }).output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("GetDaemonInfo: a daemon reports its versions, whether it is ready, and its limits", async () => {
  await using daemon = await startDaemon({
    args: [
      ...["--container-lookup", "pid", "--max-duration", "90s", "--max-frequency", "500"],
      ...["--allowed-events", "cpu-clock,page-faults", "--max-concurrent", "3"],
    ],
  });
  const info = await getDaemonInfo(daemon);
  assert.equal(info.version, VERSION);
  assert.equal(`perf version ${info.perfVersion}`, await output("perf", "--version"));
  assert.equal(info.kernelRelease, await output("uname", "-r"));
  assert.equal(info.ready, true);
  assert.equal(info.readiness, await (await fetch(`${daemon.http}/readyz?verbose`)).text());
  assert.equal(info.runningRecordings, 0);
  assert.equal(info.limits!.maxDuration!.seconds, 90);
  assert.equal(info.limits!.maxFrequency, 500);
  assert.deepEqual(info.limits!.allowedEvents, ["cpu-clock", "page-faults"]);
  assert.equal(info.limits!.maxConcurrent, 3);
});
