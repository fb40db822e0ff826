import assert from "node:assert/strict";
import type { Log } from "../../../daemon/operations/log.ts";
import { audit, type AuditEntry } from "../../../daemon/recordings/audit.ts";
import { StatusError } from "../../../daemon/status_error.ts";

const CALLER = { user: "alice", uid: "1", groups: ["g"], extra: {} };
const CONTAINER = { id: "c1", mainPid: 7, podUid: "u" };
const OWNER = { podNamespace: "ns", podName: "p", containerName: "app" };

function newEntry(fields: Partial<AuditEntry> = {}): AuditEntry {
  const call = { requestId: "r1", method: "StartRecording", peer: "10.0.0.1:2" };
  return { kind: "recording", ...call, containerId: '"c1"', ...fields };
}

/** Runs something under an entry and resolves with the line of the log and what `onEnd` heard. */
async function lineOf(entry: AuditEntry, run: () => Promise<unknown>) {
  const lines: [level: string, message: string, properties: Record<string, unknown>][] = [];
  const note = (level: string) => (message: string, properties = {}) =>
    void lines.push([level, message, properties]);
  const log: Log = { info: note("info"), warning: note("warning"), error: note("error") };
  const outcomes: string[] = [];
  const result = await audit(log, entry, run, (outcome, seconds) => {
    assert.ok(seconds >= 0);
    outcomes.push(outcome);
  }).catch((error) => error);
  assert.equal(lines.length, 1);
  const [level, message, properties] = lines[0];
  return { level, message, properties, outcomes, result };
}

Deno.test("audit: one line says who did what to which container, and what came of it", async () => {
  const entry = newEntry();
  const { level, message, properties, outcomes, result } = await lineOf(entry, () => {
    Object.assign(entry, { caller: CALLER, container: CONTAINER, owner: OWNER });
    Object.assign(entry, { decision: "allowed", result: { outcome: "full", samples: 3 } });
    return Promise.resolve(42);
  });
  assert.equal(result, 42);
  assert.deepEqual([level, message, outcomes], ["info", "recording finished", ["full"]]);
  const { durationSeconds, ...rest } = properties;
  assert.ok(Number(durationSeconds) >= 0);
  assert.deepEqual(JSON.parse(JSON.stringify(rest)), {
    ...{ requestId: "r1", method: "StartRecording", peer: "10.0.0.1:2" },
    ...{ user: "alice", groups: ["g"], containerId: "c1" },
    ...{ podNamespace: "ns", pod: "p", podUid: "u", container: "app" },
    ...{ decision: "allowed", outcome: "full", samples: 3 },
  });
});

Deno.test("audit: the line names the token of a service account as the API server does", async () => {
  const extra = { "authentication.kubernetes.io/credential-id": ["JTI=6f1c"], scopes: ["x"] };
  const entry = newEntry({ caller: { ...CALLER, extra } });
  const { properties } = await lineOf(entry, () => Promise.resolve());
  assert.equal(properties.credentialId, "JTI=6f1c");
});

Deno.test("audit: a failure is written with its decision, and the reason that the caller is not told", async () => {
  const cause = new Error("no right to the pod");
  const cases: [StatusError, AuditEntry["decision"], string][] = [
    [new StatusError("PERMISSION_DENIED", "no", { cause }), undefined, "denied"],
    [new StatusError("UNAUTHENTICATED", "no", { cause }), undefined, "denied"],
    [new StatusError("UNAVAILABLE", "no", { cause }), undefined, "error"],
    [new StatusError("ABORTED", "no", { cause }), "allowed", "allowed"],
    // A right that was taken away later.
    [new StatusError("PERMISSION_DENIED", "no", { cause }), "allowed", "denied"],
    [new StatusError("NOT_FOUND", "no", { cause }), "denied", "denied"],
  ];
  for (const [error, decision, expected] of cases) {
    const { message, properties, outcomes, result } = await lineOf(
      newEntry({ decision }),
      () => Promise.reject(error),
    );
    assert.equal(result, error);
    assert.equal(message, "recording refused or failed");
    assert.deepEqual(outcomes, [error.status.toLowerCase()]);
    assert.equal(properties.decision, expected);
    assert.equal(properties.error, "no");
    assert.equal(properties.reason, "no right to the pod");
    assert.equal(properties.containerId, '"c1"');
  }
});

Deno.test("audit: an unexpected error is written as one, with its stack", async () => {
  const { level, message, properties, outcomes } = await lineOf(
    newEntry({ kind: "request" }),
    () => Promise.reject(new TypeError("a mistake")),
  );
  assert.deepEqual([level, message, outcomes], ["error", "request failed", ["internal"]]);
  assert.match(String(properties.stack), /TypeError: a mistake/);
});
