import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { Turns } from "../../../daemon/service/turns.ts";

Deno.test("Turns: everybody's comes, in the order in which they came", async () => {
  const turns = new Turns();
  const seen: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const each of [1, 2, 3]) turns.wait(() => seen.push(each));
  turns.wait(() => turns.wait(resolve));
  await promise;
  assert.deepEqual(seen, [1, 2, 3]);
});

Deno.test("Turns: sockets are served between those that always want another one", async () => {
  const server = createServer((socket) => socket.pipe(socket).on("error", () => {}));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const turns = new Turns();
  let count = 0;
  let isDone = false;
  const busy = () => {
    count++;
    const until = performance.now() + 5;
    while (performance.now() < until);
    if (!isDone) turns.wait(busy);
  };
  for (let each = 0; each < 10; each++) turns.wait(busy);
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  try {
    client.write("x");
    await once(client, "data");
    // With callbacks of `setImmediate` it never is; with those of timers it is some hundred turns.
    assert.ok(count < 100, `${count} turns`);
  } finally {
    isDone = true;
    client.destroy();
    server.close();
  }
});
