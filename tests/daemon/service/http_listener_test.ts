import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type HttpListenerOptions, listenHttp } from "../../../daemon/service/http_listener.ts";

async function startListener(options: Partial<HttpListenerOptions> = {}) {
  const listener = await listenHttp({
    address: "127.0.0.1",
    port: 0,
    answer: (method, path) =>
      Promise.resolve({ status: 200, headers: { "x-asked": `${method} ${path}` }, body: "answer" }),
    ...options,
  });
  const sockets: Socket[] = [];
  return {
    url: `http://127.0.0.1:${listener.port}`,
    port: listener.port,
    /** Connects and sends what may be no whole request. */
    async open(text: string, address = "127.0.0.1"): Promise<Socket> {
      const socket = connect({ port: listener.port, host: "127.0.0.1", localAddress: address });
      socket.on("error", () => {}).resume();
      sockets.push(socket);
      await once(socket, "connect");
      socket.write(text);
      return socket;
    },
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
      listener.close();
    },
  };
}

Deno.test("listenHttp: answers, without the query, and ends the connection", async () => {
  using server = await startListener();
  const response = await fetch(`${server.url}/a/b?c=d`);
  assert.equal(response.headers.get("x-asked"), "GET /a/b");
  assert.equal(response.headers.get("connection"), "close");
  assert.equal(await response.text(), "answer");
  const head = await fetch(server.url, { method: "HEAD" });
  assert.equal(await head.text(), "");
  const post = await fetch(server.url, { method: "POST", body: "x".repeat(100_000) });
  assert.equal(await post.text(), "answer");
});

Deno.test("listenHttp: ends what is not a whole request in time", async () => {
  using server = await startListener({ requestDeadlineMs: 200 });
  const starts = ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n"];
  await Promise.all(starts.map(async (start) => {
    await once(await server.open(start), "close", { signal: AbortSignal.timeout(30_000) });
  }));
});

Deno.test("listenHttp: ends a request with too many headers", async () => {
  using server = await startListener();
  const socket = await server.open(`GET / HTTP/1.1\r\nA: ${"x".repeat(20_000)}\r\n`);
  await once(socket, "close", { signal: AbortSignal.timeout(30_000) });
});

Deno.test("listenHttp: any number of others take no place from a probe", async () => {
  using server = await startListener({ maxConnections: 10 });
  let ended = 0;
  const half: Promise<void>[] = Array.from({ length: 100 }, async () => {
    const socket = await server.open("GET / HTTP/1.1\r\n", "127.0.0.9");
    socket.once("close", () => ended++);
  });
  await Promise.all(half);
  for (let probe = 0; probe < 5; probe++) {
    assert.equal(await (await fetch(server.url)).text(), "answer");
  }
  assert.ok(ended >= 90, `${ended} ended`);
});

Deno.test("listenHttp: says when the port is taken", async () => {
  using server = await startListener();
  await assert.rejects(startListener({ port: server.port }), /cannot listen on 127\.0\.0\.1:\d+: /);
});
