import assert from "node:assert/strict";
import { parseContainerId } from "../../../daemon/containers/container_id.ts";
import { StatusError } from "../../../daemon/status_error.ts";

const ID = "4f0c2a9be17d5630c8e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7";

Deno.test("parseContainerId: takes an id with and without the name of its runtime", () => {
  for (const prefix of ["", "containerd://", "cri-o://", "docker://"]) {
    assert.equal(parseContainerId(prefix + ID), ID);
  }
});

Deno.test("parseContainerId: refuses everything else, by the field's name", () => {
  const refused = [
    "",
    "kubepods",
    "/",
    "..",
    "containerd://",
    ID.slice(1),
    `${ID}0`,
    ID.toUpperCase(),
    ` ${ID}`,
    `${ID}\n`,
    `${ID}/..`,
    `${ID}\0`,
    `rkt://${ID}`,
    `containerd://containerd://${ID}`,
    `Containerd://${ID}`,
    `containerd:/${ID}`,
    `docker-${ID}.scope`,
    ID.replace("4", "g"),
    ID.replace("0", "\u{ff10}"),
    "4711",
  ];
  for (const text of refused) {
    assert.throws(() => parseContainerId(text), (error) => {
      assert.ok(error instanceof StatusError);
      assert.equal(error.status, "INVALID_ARGUMENT");
      assert.match(error.message, /^container_id ".*64 lowercase hexadecimal digits/);
      return true;
    }, JSON.stringify(text));
  }
});

Deno.test("parseContainerId: lets nothing through raw or long in its message", () => {
  const hostile = [
    "\0",
    "a\nb\r\x1b[2Jc",
    "\x7f\x9b31m",
    "\u2028\u202eabc",
    '"; rm -rf /',
    "\ud800",
    "x".repeat(2 ** 20),
    "\0".repeat(2 ** 20),
  ];
  for (const text of hostile) {
    assert.throws(() => parseContainerId(text), ({ message }) => {
      assert.match(message, /^[\x20-\x7e]+$/);
      assert.ok(message.length < 800, `${message.length} characters`);
      return true;
    });
  }
});
