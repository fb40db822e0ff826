import assert from "node:assert/strict";
import { ExpiringCache } from "../../../daemon/access/expiring_cache.ts";

function counting(maxEntries = 10) {
  let now = 0;
  const asked: string[] = [];
  const cache = new ExpiringCache<string>(maxEntries, () => now);
  return {
    asked,
    cache,
    get: (key: string, validMs = 100) =>
      cache.get(key, () => {
        asked.push(key);
        return Promise.resolve({ value: key.toUpperCase(), validMs });
      }),
    pass: (milliseconds: number) => now += milliseconds,
  };
}

Deno.test("ExpiringCache: an answer stands for as long as it is valid, and no longer", async () => {
  const { asked, get, pass } = counting();
  assert.equal(await get("a"), "A");
  pass(99);
  assert.equal(await get("a"), "A");
  assert.deepEqual(asked, ["a"]);
  pass(1);
  await get("a");
  assert.deepEqual(asked, ["a", "a"]);
});

Deno.test("ExpiringCache: the answer that was not asked for the longest makes place", async () => {
  const { asked, cache, get } = counting(2);
  await get("a");
  await get("b");
  await get("a");
  await get("c");
  assert.equal(cache.size, 2);
  await get("a");
  assert.deepEqual(asked, ["a", "b", "c"]);
  await get("b");
  assert.deepEqual(asked, ["a", "b", "c", "b"]);
  for (let each = 0; each < 10_000; each++) await get(`${each}`);
  assert.equal(cache.size, 2);
});

Deno.test("ExpiringCache: who asks at the same time shares an answer, and a failure is not kept", async () => {
  const { asked, cache, get } = counting();
  assert.deepEqual(await Promise.all([get("a"), get("a"), get("a")]), ["A", "A", "A"]);
  assert.deepEqual(asked, ["a"]);
  const fails = () => cache.get("x", () => Promise.reject(new Error("down")));
  await Promise.all([assert.rejects(fails(), /down/), assert.rejects(fails(), /down/)]);
  assert.equal(await get("x"), "X");
});

Deno.test("ExpiringCache: an answer is as old as the question", async () => {
  let now = 0;
  const cache = new ExpiringCache<number>(10, () => now);
  await cache.get("a", () => {
    now = 80;
    return Promise.resolve({ value: 1, validMs: 100 });
  });
  now = 100;
  assert.equal(await cache.get("a", () => Promise.resolve({ value: 2, validMs: 1 })), 2);
});
