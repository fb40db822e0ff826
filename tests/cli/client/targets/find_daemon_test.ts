import assert from "node:assert/strict";
import { CliError } from "../../../../cli/errors.ts";
import { findDaemonPod } from "../../../../cli/client/targets/find_daemon.ts";
import type { Pod } from "../../../../cli/client/cluster/pod.ts";

const PLACE = { nodeName: "n1", namespace: "necoperf" };

const DAEMON: Pod = {
  name: "necoperf-daemon-1",
  namespace: "necoperf",
  nodeName: "n1",
  phase: "Running",
  ip: "10.0.0.1",
  ready: true,
  beingDeleted: false,
  containers: [],
};

/**
 * An API server whose cache is behind: a real one cannot be made to be. Notes what is asked of it.
 */
function clusterWith(lists: { cached: Pod[]; fresh: Pod[] }) {
  const asked: (keyof typeof lists)[] = [];
  return {
    asked,
    listPods: (_namespace: string, { fresh }: { fresh?: boolean }) => {
      const which = fresh ? "fresh" : "cached";
      asked.push(which);
      return Promise.resolve(lists[which]);
    },
  };
}

Deno.test("findDaemonPod: the cache of the API server is enough when it has a daemon to be called", async () => {
  const cluster = clusterWith({ cached: [DAEMON], fresh: [] });
  assert.equal((await findDaemonPod(cluster, PLACE)).address, "10.0.0.1:6543");
  assert.deepEqual(cluster.asked, ["cached"]);
});

Deno.test("findDaemonPod: a daemon that the cache does not have yet is found nevertheless", async () => {
  for (const cached of [[], [{ ...DAEMON, beingDeleted: true }]]) {
    const cluster = clusterWith({ cached, fresh: [DAEMON] });
    assert.equal((await findDaemonPod(cluster, PLACE)).address, "10.0.0.1:6543");
    assert.deepEqual(cluster.asked, ["cached", "fresh"]);
  }
});

Deno.test("findDaemonPod: that there is no daemon is known from the storage, not from the cache", async () => {
  const cluster = clusterWith({ cached: [], fresh: [] });
  await assert.rejects(findDaemonPod(cluster, PLACE), CliError);
  assert.deepEqual(cluster.asked, ["cached", "fresh"]);
});
