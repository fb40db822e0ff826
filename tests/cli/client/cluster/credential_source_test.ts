import assert from "node:assert/strict";
import { renewedCredentials } from "../../../../cli/client/cluster/credential_source.ts";

/** Credentials `1`, `2`, ... each of which ends so long after it was obtained. */
function counted(lifetimeMs: number) {
  let count = 0;
  return renewedCredentials(() =>
    Promise.resolve({
      credentials: { authorization: `${++count}` },
      endsAtMs: Date.now() + lifetimeMs,
    })
  );
}

const HOUR_MS = 3_600_000;

Deno.test("renewedCredentials: credentials are kept until shortly before they end", async () => {
  const lasting = counted(HOUR_MS);
  assert.equal((await lasting.get()).authorization, "1");
  assert.equal((await lasting.get()).authorization, "1");
  const ending = counted(5_000);
  assert.equal((await ending.get()).authorization, "1");
  assert.equal((await ending.get()).authorization, "2");
});

Deno.test("renewedCredentials: all that wait at once get the same", async () => {
  const ending = counted(0);
  const got = await Promise.all([ending.get(), ending.get(), ending.get()]);
  assert.deepEqual(got.map(({ authorization }) => authorization), ["1", "1", "1"]);
});

Deno.test("renewedCredentials: a failure is not kept", async () => {
  let fails = true;
  const source = renewedCredentials(() =>
    fails
      ? Promise.reject(new Error("locked"))
      : Promise.resolve({ credentials: { authorization: "1" }, endsAtMs: Infinity })
  );
  await assert.rejects(source.get(), /locked/);
  fails = false;
  assert.equal((await source.get()).authorization, "1");
});

Deno.test("renewedCredentials: what is refused is replaced, once for all that it was refused to", async () => {
  const source = counted(HOUR_MS);
  await source.get();
  const sentAtMs = performance.now();
  assert(source.refused(sentAtMs));
  assert.equal((await source.get()).authorization, "2");
  assert(source.refused(sentAtMs));
  assert.equal((await source.get()).authorization, "2");
});
