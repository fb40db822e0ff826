import assert from "node:assert/strict";
import { printFinding } from "../../cli/commands/doctor.ts";
import type { DaemonInfo } from "../../cli/daemon_info.ts";
import { describeDaemon } from "../../cli/doctor.ts";
import { VERSION } from "../../version.ts";

const INFO: DaemonInfo = {
  version: VERSION,
  nodeName: "node1",
  perfVersion: "6.1.119",
  kernelRelease: "6.1.0-28-amd64",
  versionSkew: "",
  ready: true,
  readiness: "[+]perf ok\n",
  runningRecordings: 2,
  waitingRecordings: 1,
  limits: null,
};

function levels(info: Partial<DaemonInfo>): string[] {
  return [...describeDaemon("node1", { ...INFO, ...info })].map(({ level }) => level);
}

Deno.test("a daemon that is well is one line", () => {
  const [finding, ...others] = describeDaemon("node1", INFO);
  assert.equal(
    printFinding(finding),
    `[+] node1: necoperf-daemon ${VERSION}, perf 6.1.119, kernel 6.1.0-28-amd64, 2 recording, ` +
      "1 waiting",
  );
  assert.deepEqual(others, []);
});

Deno.test("what is wrong with a daemon is told apart", () => {
  assert.deepEqual(levels({ versionSkew: "perf 4.19 is 20 releases older" }), ["ok", "warning"]);
  assert.deepEqual(levels({ version: "0.0.1" }), ["ok", "warning"]);
  const readiness = "[+]accepting ok\n[-]perf failed: not permitted\n";
  assert.deepEqual(levels({ ready: false, readiness }), ["problem"]);
  const [finding] = describeDaemon("node1", { ...INFO, ready: false, readiness });
  assert.match(finding.words, /it is not ready: perf failed: not permitted$/);
});

Deno.test("a fix is below what it is for", () => {
  assert.equal(
    printFinding({ level: "problem", words: "no token", fix: "ask\nagain" }),
    "[-] no token\n    ask\n    again",
  );
});
