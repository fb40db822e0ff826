import assert from "node:assert/strict";
import { ANYONE, type Caller } from "../../../daemon/caller.ts";
import { downloadShare, queueShare } from "../../../daemon/recordings/shares.ts";

const PEER = "10.0.0.1:4711";

function pod(podNamespace: string) {
  return { podNamespace, podName: "p", containerName: "c" };
}

function caller(user: string): Caller {
  return { user, uid: "", groups: [], extra: {} };
}

Deno.test("queueShare: all users of a pod's namespace share one turn", () => {
  const [ns, other] = [pod("ns"), pod("other")];
  assert.equal(queueShare(caller("a"), ns, PEER), queueShare(caller("b"), ns, "10.0.0.2:1"));
  assert.notEqual(queueShare(caller("a"), ns, PEER), queueShare(caller("a"), other, PEER));
});

Deno.test("queueShare: where nobody is asked who they are, it is the address without the port", () => {
  assert.equal(queueShare(ANYONE, undefined, PEER), queueShare(ANYONE, pod("ns"), "10.0.0.1:1"));
  assert.notEqual(queueShare(ANYONE, undefined, PEER), queueShare(ANYONE, undefined, "10.0.0.2:1"));
});

Deno.test("downloadShare: service accounts share by namespace, other users have their own", () => {
  const account = (name: string) => caller(`system:serviceaccount:${name}`);
  assert.equal(downloadShare(account("ns:a"), PEER), downloadShare(account("ns:b"), PEER));
  assert.notEqual(downloadShare(account("ns:a"), PEER), downloadShare(account("ns2:a"), PEER));
  assert.notEqual(downloadShare(caller("alice"), PEER), downloadShare(caller("bob"), PEER));
  assert.equal(downloadShare(ANYONE, PEER), downloadShare(ANYONE, "10.0.0.1:1"));
});
