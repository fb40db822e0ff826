import assert from "node:assert/strict";
import { findVersionSkew, parseRelease } from "../../../daemon/perf/perf_version.ts";

Deno.test("parseRelease: releases are read from what perf and the kernel say", () => {
  assert.deepEqual(parseRelease("perf version 6.1.187"), { major: 6, minor: 1 });
  assert.deepEqual(parseRelease("6.6.65-flatcar"), { major: 6, minor: 6 });
  assert.deepEqual(parseRelease("5.15.0-91-generic"), { major: 5, minor: 15 });
  assert.equal(parseRelease("unknown"), undefined);
});

Deno.test("findVersionSkew: perf is trusted with kernels of about its time", () => {
  for (const [perf, kernel] of [["6.6.1", "6.6.65"], ["6.1.0", "6.7.0"], ["5.19.1", "6.1.9"]]) {
    assert.equal(findVersionSkew(perf, kernel), undefined, `${perf} on ${kernel}`);
  }
});

Deno.test("findVersionSkew: perf is not trusted with kernels of another time", () => {
  assert.match(findVersionSkew("6.1.187", "6.18.44")!, /17 releases older/);
  assert.match(findVersionSkew("6.18.0", "6.1.76")!, /17 releases newer/);
  assert.match(findVersionSkew("4.19.0", "5.10.0")!, /11 releases older/);
  assert.match(findVersionSkew("unknown", "6.1.0")!, /cannot compare/);
});
