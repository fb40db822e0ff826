/** Whatever a file of certificates or a caller's header holds, it is used or refused with words. */
import assert from "node:assert/strict";
import { createAuthenticator } from "../../daemon/access/authenticator.ts";
import { expirySeconds, readCertificates } from "../../daemon/service/certificate_files.ts";
import { StatusError } from "../../daemon/status_error.ts";
import { createAuthority } from "../testing/certificates.ts";
import { CASES, createRandom, SEED } from "./random.ts";

/** Each writes and reads files. */
const FILE_CASES = Math.ceil(CASES / 4);

Deno.test("fuzz: the certificate loader", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const authority = await createAuthority(directory, "authority");
    const { certFile, keyFile, cert, key } = await authority.issue("daemon");
    const paths = { certFile, keyFile, clientCaFile: authority.certFile };
    const originals = { certFile: cert, keyFile: key, clientCaFile: authority.cert };
    // A line of the key: what no message may repeat.
    const secret = new TextDecoder().decode(key).split("\n")[1];
    const random = createRandom(SEED);
    let refused = 0;
    for (let count = 0; count < FILE_CASES; count++) {
      const name = random.pick(["certFile", "keyFile", "clientCaFile"] as const);
      const text = random.mutate(new TextDecoder().decode(originals[name]));
      const bytes = random.integer(4) ? new TextEncoder().encode(text) : random.bytes(500);
      await Deno.writeFile(paths[name], bytes);
      try {
        assert.ok(Number.isFinite(expirySeconds(await readCertificates(paths))));
      } catch (error) {
        const { message } = error as Error;
        const what = `seed ${SEED}, case ${count}: ${message}`;
        assert.ok(Object.values(paths).some((path) => message.startsWith(path)), what);
        assert.ok(!message.includes(secret), what);
        refused++;
      }
      await Deno.writeFile(paths[name], originals[name]);
    }
    assert.ok(refused > FILE_CASES / 2, `${refused} of ${FILE_CASES} were refused`);
    await readCertificates(paths);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("fuzz: the header with a caller's token", async () => {
  const claims = btoa(JSON.stringify({ aud: ["api"], exp: 1 }));
  const token = `eyJhbGciOiJSUzI1NiJ9.${claims}.c2lnbmF0dXJl`;
  const reviewed: string[] = [];
  const authenticator = createAuthenticator({
    reviewToken(token) {
      reviewed.push(token);
      return Promise.resolve(undefined);
    },
  }, { audience: "necoperf" });
  const random = createRandom(SEED);
  for (let count = 0; count < CASES; count++) {
    const header = random.integer(2) ? random.mutate(`Bearer ${token}`) : random.text(100);
    await assert.rejects(authenticator.authenticate({ authorization: [header] }), (error) => {
      assert.ok(error instanceof StatusError, `seed ${SEED}, case ${count}: ${error}`);
      assert.equal(error.status, "UNAUTHENTICATED");
      assert.ok(error.message.length < 1000);
      assert.ok(!error.message.includes("c2lnbmF0dXJl"), error.message);
      return true;
    });
  }
  // What reaches the API server has the characters of a token and no others.
  assert.ok(reviewed.length > 0);
  for (const each of reviewed) assert.match(each, /^[A-Za-z0-9._~+/=-]+$/);
});
