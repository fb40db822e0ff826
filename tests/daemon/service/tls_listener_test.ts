import assert from "node:assert/strict";
import type { Duplex } from "node:stream";
import { listen } from "../../../daemon/service/tls_listener.ts";
import { withAuthority } from "../../testing/encrypted_daemon.ts";
import * as h2 from "../../testing/http2_frames.ts";

const MEBIBYTE = 1 << 20;
/** More than the kernel takes for a connection on both sides. */
const SENT_BYTES = 128 * MEBIBYTE;

Deno.test("listen: nothing is read inside TLS of a peer whose connection is not read", async () => {
  await withAuthority(async (authority) => {
    const { certFile, keyFile } = await authority.issue("server", { dnsName: "localhost" });
    const [cert, key] = await Promise.all(
      [certFile, keyFile].map((file) => Deno.readTextFile(file)),
    );
    const served: Duplex[] = [];
    const listener = await listen({
      ...{ address: "127.0.0.1", port: 0, maxConnections: 100, certificates: { cert, key } },
      serve: (connection) => {
        connection.on("error", () => {});
        served.push(connection);
      },
      onRefused: () => {},
    });
    const connect = () =>
      Deno.connectTls({
        ...{ hostname: "localhost", port: listener.port, alpnProtocols: ["h2"] },
        caCerts: [new TextDecoder().decode(authority.cert)],
      });
    using flooding = await connect();
    let sentBytes = 0;
    const flood = (async () => {
      await flooding.write(h2.PREFACE);
      const data = h2.frame(h2.DATA, new Uint8Array(16_000), { streamId: 1 });
      while (sentBytes < SENT_BYTES) sentBytes += await flooding.write(data);
    })().catch(() => {});
    // As long as others come and are served it could read on.
    for (let count = 0; count < 100; count++) {
      using other = await connect();
      await other.handshake();
    }
    assert.ok(served.length > 50, `${served.length} served`);
    assert.ok(sentBytes < SENT_BYTES / 2, `${sentBytes / MEBIBYTE} MiB`);
    listener.close();
    for (const connection of served) connection.destroy();
    await flood;
  });
});
