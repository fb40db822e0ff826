import assert from "node:assert/strict";
import { startsWithClientHello } from "../../../daemon/service/client_hello.ts";

/** A record's header with a length, and the beginning of a message of a type and length in it. */
const hello = (recordBytes: number, messageBytes: number, type = 1) =>
  Uint8Array.from([
    ...[22, 3, 1, recordBytes >> 8, recordBytes & 255],
    ...[type, messageBytes >> 16, messageBytes >> 8 & 255, messageBytes & 255],
  ]);

Deno.test("startsWithClientHello: takes what Deno's own client sends, however little has come", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connecting = Deno.connectTls({ hostname: "127.0.0.1", port: listener.addr.port })
    .then((connection) => connection.handshake());
  connecting.catch(() => {});
  const sent = new Uint8Array(4096);
  {
    using connection = await listener.accept();
    const sentBytes = await connection.read(sent) ?? 0;
    assert.ok(sentBytes > 100);
  }
  for (let length = 0; length < 9; length++) {
    assert.equal(startsWithClientHello(sent.subarray(0, length)), undefined);
  }
  assert.equal(startsWithClientHello(sent.subarray(0, 9)), true);
  assert.equal(startsWithClientHello(sent), true);
  await assert.rejects(connecting);
});

Deno.test("startsWithClientHello: refuses what no client of TLS sends, as soon as it is seen", () => {
  for (const text of ["GET / HTTP/1.1", "PRI * HTTP/2.0", "G"]) {
    assert.equal(startsWithClientHello(new TextEncoder().encode(text)), false, text);
  }
  assert.equal(startsWithClientHello(Uint8Array.of(22, 2)), false);
  assert.equal(startsWithClientHello(hello(200, 196)), true);
  assert.equal(startsWithClientHello(hello(200, 196, 2)), false);
  assert.equal(startsWithClientHello(hello(2 ** 14, 2 ** 14)), true);
  assert.equal(startsWithClientHello(hello(2 ** 14 + 1, 100)), false);
  assert.equal(startsWithClientHello(hello(200, 2 ** 14 + 1)), false);
  assert.equal(startsWithClientHello(hello(3, 100)), false);
});
