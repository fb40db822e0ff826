import assert from "node:assert/strict";
import { formatAddress } from "../../../../cli/client/cluster/address.ts";
import { pickDaemon } from "../../../../cli/client/cluster/daemon_pod.ts";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";
import type { Pod } from "../../../../cli/client/cluster/pod.ts";

const WHERE = { nodeName: "node1", namespace: "perf" };

function daemonPod(changes: Partial<Pod> & { port?: number } = {}): Pod {
  const { port = 6543, ...pod } = changes;
  return {
    namespace: "perf",
    name: "necoperf-daemon-abcde",
    phase: "Running",
    beingDeleted: false,
    ready: true,
    nodeName: "node1",
    ip: "10.0.0.1",
    containers: [{
      name: "daemon",
      kind: "container",
      state: { is: "running" },
      ports: { metrics: 6541, "necoperf-grpc": port },
    }],
    ...pod,
  };
}

Deno.test("pickDaemon: takes the port by its name", () => {
  assert.equal(pickDaemon([daemonPod({ port: 7000 })], WHERE).address, "10.0.0.1:7000");
  assert.equal(pickDaemon([daemonPod({ containers: [] })], WHERE).address, "10.0.0.1:6543");
});

Deno.test("pickDaemon: prefers a daemon that is ready and passes by one that is leaving", () => {
  const pods = [
    daemonPod({ ip: "10.0.0.1", beingDeleted: true }),
    daemonPod({ ip: "10.0.0.2", ready: false }),
    daemonPod({ ip: "10.0.0.3" }),
  ];
  assert.equal(pickDaemon(pods, WHERE).address, "10.0.0.3:6543");
  assert.equal(pickDaemon(pods.slice(0, 2), WHERE).address, "10.0.0.2:6543");
});

Deno.test("formatAddress: puts an IPv6 address in brackets", () => {
  assert.equal(formatAddress("fd00::7", 6543), "[fd00::7]:6543");
  assert.equal(pickDaemon([daemonPod({ ip: "fd00::7" })], WHERE).address, "[fd00::7]:6543");
});

Deno.test("pickDaemon: says which node has no daemon, and where it was looked for", () => {
  const cases: [Pod[], RegExp][] = [
    [[], /no necoperf-daemon runs on node node1 \(namespace perf, label app\.kubernetes\.io/],
    [[daemonPod({ ip: undefined, phase: "Pending" })], /daemon-abcde is without address/],
    [[daemonPod({ beingDeleted: true })], /daemon-abcde is being deleted/],
    [[daemonPod({ phase: "Failed" })], /daemon-abcde is Failed/],
  ];
  for (const [pods, words] of cases) {
    assert.throws(() => pickDaemon(pods, WHERE), (error) => {
      assert(error instanceof CliError);
      assert.equal(error.exitStatus, ExitStatus.NOT_FOUND);
      assert.match(error.message, words);
      return true;
    });
  }
});
