import assert from "node:assert/strict";
import { ConnectionTable, type TableSocket } from "../../../daemon/service/connection_table.ts";

class FakeSocket {
  destroyed = false;
  readonly remoteAddress = "10.0.0.1";
  #onClose = () => {};

  constructor(readonly remotePort: number) {}

  get peer(): string {
    return `${this.remoteAddress}:${this.remotePort}`;
  }

  once(_event: "close", listener: () => void): this {
    this.#onClose = listener;
    return this;
  }

  destroy(): this {
    this.destroyed = true;
    this.#onClose();
    return this;
  }
}

function fill(max: number, count: number) {
  let refused = 0;
  const table = new ConnectionTable(max, () => refused++);
  const sockets: FakeSocket[] = [];
  const add = (port = sockets.length) => {
    const socket = new FakeSocket(port);
    sockets.push(socket);
    return table.add(socket as unknown as TableSocket);
  };
  for (let each = 0; each < count; each++) add();
  return { table, sockets, add, refused: () => refused };
}

Deno.test("the connection that has been idle for the longest makes place", () => {
  const { table, sockets, refused } = fill(3, 5);
  assert.deepEqual(sockets.map(({ destroyed }) => destroyed), [true, true, false, false, false]);
  assert.equal(table.size, 3);
  assert.equal(refused(), 2);
});

Deno.test("a connection with a call stays, and is the last to go after it", () => {
  const { table, sockets, add } = fill(2, 2);
  const release = table.hold(sockets[0].peer);
  const again = table.hold(sockets[0].peer);
  release();
  release();
  add();
  assert.deepEqual(sockets.map(({ destroyed }) => destroyed), [false, true, false]);
  again();
  add();
  assert.deepEqual(sockets.map(({ destroyed }) => destroyed), [false, true, true, false]);
});

Deno.test("where every connection has a call the new one is refused", () => {
  const { table, sockets, add, refused } = fill(2, 2);
  for (const { peer } of sockets) table.hold(peer);
  assert.equal(add(), false);
  assert.deepEqual(sockets.map(({ destroyed }) => destroyed), [false, false, true]);
  assert.equal(refused(), 1);
  assert.equal(table.size, 2);
});

Deno.test("a connection that closes is forgotten, and its peer may come back", () => {
  const { table, sockets, add } = fill(10, 1);
  const release = table.hold(sockets[0].peer);
  sockets[0].destroy();
  assert.equal(table.size, 0);
  add(0);
  release();
  assert.equal(table.size, 1);
  // The end of the first of that peer is not the second's.
  sockets[0].destroy();
  assert.equal(table.size, 1);
  table.hold("10.9.9.9:9")();
});
