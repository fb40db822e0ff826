import assert from "node:assert/strict";
import { formatFinding } from "../../../cli/commands/doctor.ts";
import type { DaemonInfo } from "../../../cli/client/daemon/daemon_info.ts";
import { describeDaemon, examine, problem } from "../../../cli/doctor/doctor.ts";
import { CliError, ExitStatus } from "../../../cli/errors.ts";
import { VERSION } from "../../../version.ts";

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
  rights: null,
};

function levels(info: Partial<DaemonInfo>): string[] {
  return [...describeDaemon("node1", { ...INFO, ...info })].map(({ level }) => level);
}

Deno.test("describeDaemon: a daemon that is well is one line", () => {
  const [finding, ...others] = describeDaemon("node1", INFO);
  assert.equal(
    formatFinding(finding),
    `[+] node1: necoperf-daemon ${VERSION}, perf 6.1.119, kernel 6.1.0-28-amd64, 2 recording, ` +
      "1 waiting",
  );
  assert.deepEqual(others, []);
});

Deno.test("problem: what is wrong with a daemon is told apart", () => {
  assert.deepEqual(levels({ versionSkew: "perf 4.19 is 20 releases older" }), ["ok", "warning"]);
  assert.deepEqual(levels({ version: "0.0.1" }), ["ok", "warning"]);
  const readiness = "[+]accepting ok\n[-]perf failed: not permitted\n";
  assert.deepEqual(levels({ ready: false, readiness }), ["problem"]);
  const [finding] = describeDaemon("node1", { ...INFO, ready: false, readiness });
  assert.match(finding.message, /it is not ready: perf failed: not permitted$/);
});

Deno.test("problem: a fix is below what it is for", () => {
  assert.equal(
    formatFinding({ level: "problem", message: "no token", fix: "ask\nagain" }),
    "[-] no token\n    ask\n    again",
  );
});

Deno.test("problem: what to do is taken out of a failure's words, or is what mostly helps", () => {
  const found = (status: ExitStatus, message: string) => problem(new CliError(status, message));
  assert.deepEqual(found(ExitStatus.NOT_ALLOWED, "not allowed; for now\na Role\nallows it"), {
    level: "problem",
    message: "not allowed; for now",
    fix: "a Role\nallows it",
    exitStatus: 4,
  });
  const { message, fix } = found(ExitStatus.UNREACHABLE, "no answer: a; b; is it running?");
  assert.deepEqual([message, fix], ["no answer: a; b", "is it running?"]);
  for (const status of Object.values(ExitStatus)) {
    if (status === ExitStatus.INTERRUPTED) continue;
    assert.equal(found(status, "broken").message, "broken");
    assert.match(found(status, "broken").fix!, /./, `status ${status}`);
  }
});

Deno.test("examine: each thing that is in the way has a fix below it", async () => {
  const kubeconfig = await Deno.makeTempFile({ prefix: "necoperf-doctor-" });
  try {
    await Deno.writeTextFile(
      kubeconfig,
      JSON.stringify({
        clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }],
        users: [{ name: "u", user: {} }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        "current-context": "x",
      }),
    );
    const signal = new AbortController().signal;
    for (
      const [options, message, fix] of [
        [{}, /^cannot reach the API server/, /kubectl get pods/],
        [{ context: "nope" }, /no context 'nope'/, /its contexts: x|kubectl config get-contexts/],
        [{ access: { tokenFile: "/nowhere/token" } }, /\/nowhere\/token/, /give another value/],
      ] as const
    ) {
      const findings = await Array.fromAsync(
        examine({ kubeconfig, necoperfNamespace: "necoperf", access: {}, ...options }, signal),
      );
      const bad = findings.filter(({ level }) => level !== "ok");
      assert.equal(bad.length, 1);
      assert.match(bad[0].message, message);
      assert.match(bad[0].fix!, fix);
    }
  } finally {
    await Deno.remove(kubeconfig);
  }
});
