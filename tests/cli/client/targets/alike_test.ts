import assert from "node:assert/strict";
import { alikeKey, groupAlike, listSome } from "../../../../cli/client/targets/alike.ts";

Deno.test("groupAlike: what differs by names alone is the same, and nothing else is", () => {
  const said = (name: string, node: string, address: string, reason: string) => ({
    name: `shop/${name}`,
    message: `the necoperf-daemon on ${node} (${address}): ${reason} for ${name}`,
    details: [node, address],
  });
  const groups = groupAlike([
    said("web-1", "node-1", "10.0.0.1:6543", "no place"),
    said("web-2", "node-2", "[fd00::2]:6543", "no place"),
    said("web-3", "node-1", "10.0.0.1:6543", "no right"),
    said("web-11", "node-11", "10.0.0.11:6543", "no place"),
  ]);
  assert.deepEqual(groups.map((group) => group.map(({ name }) => name)), [
    ["shop/web-1", "shop/web-2", "shop/web-11"],
    ["shop/web-3"],
  ]);
});

Deno.test("alikeKey: a name within another word stays", () => {
  const key = (name: string, message: string) => alikeKey({ name, message });
  assert.equal(key("a", "pod a has no cap-a"), key("b", "pod b has no cap-a"));
  assert.notEqual(key("a", "pod a has no cap-a"), key("b", "pod b has no cap-b"));
  assert.notEqual(key("a.b", "axb failed"), key("c", "c failed"));
});

Deno.test("alikeKey: UIDs and daemons' pods are names as well", () => {
  const key = (uid: string, daemon: string) =>
    alikeKey({ name: "x", message: `back-off pod=x(${uid}), ${daemon} is Pending` });
  assert.equal(
    key("0f3c8a1e-1111-4222-8333-444455556666", "necoperf-daemon-x7k2p"),
    key("1f3c8a1e-1111-4222-8333-444455556667", "necoperf-daemon-b9zzq"),
  );
});

Deno.test("listSome: names a few, and counts the others when that is shorter", () => {
  assert.equal(listSome(["a"]), "a");
  assert.equal(listSome(["a", "b", "c", "d"]), "a, b, c, d");
  assert.equal(listSome(["a", "b", "c", "d", "e"]), "a, b, c and 2 others");
});
