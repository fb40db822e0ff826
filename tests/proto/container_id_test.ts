import assert from "node:assert/strict";
import { isContainerId, shortContainerId, stripRuntime } from "../../proto/container_id.ts";

const ID = "4f0c2a9be17d5630c8e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7";

Deno.test("stripRuntime: takes off one known runtime's name and nothing else", () => {
  for (const prefix of ["", "containerd://", "cri-o://", "docker://"]) {
    assert.equal(stripRuntime(prefix + ID), ID);
  }
  const others = [`rkt://${ID}`, `Docker://${ID}`, `containerd:/${ID}`, `x containerd://${ID}`];
  for (const other of others) assert.equal(stripRuntime(other), other);
  assert.equal(stripRuntime(`docker://docker://${ID}`), `docker://${ID}`);
});

Deno.test("isContainerId: 64 lowercase hexadecimal digits and nothing around them", () => {
  assert.ok(isContainerId(ID));
  const others = [
    "",
    ID.slice(1),
    `${ID}0`,
    ID.toUpperCase(),
    `${ID}\n`,
    ` ${ID}`,
    `docker://${ID}`,
  ];
  for (const other of others) assert.ok(!isContainerId(other), JSON.stringify(other));
});

Deno.test("shortContainerId: is what crictl shows", () => {
  assert.equal(shortContainerId(ID), "4f0c2a9be17d");
});
