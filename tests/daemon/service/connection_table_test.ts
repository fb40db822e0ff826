import assert from "node:assert/strict";
import { ConnectionTable, type TableSocket } from "../../../daemon/service/connection_table.ts";

class FakeSocket {
  destroyed = false;
  #onClose = () => {};

  constructor(readonly remotePort: number, readonly remoteAddress = "10.0.0.1") {}

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
  const add = (port = sockets.length, address?: string) => {
    const socket = new FakeSocket(port, address);
    sockets.push(socket);
    return table.add(socket as unknown as TableSocket);
  };
  for (let each = 0; each < count; each++) add();
  return { table, sockets, add, refused: () => refused };
}

Deno.test("ConnectionTable: the connection that has been idle for the longest makes place", () => {
  const { table, sockets, refused } = fill(3, 5);
  assert.deepEqual(sockets.map(({ destroyed }) => destroyed), [true, true, false, false, false]);
  assert.equal(table.size, 3);
  assert.equal(refused(), 2);
});

Deno.test("ConnectionTable: a connection with a call stays, and is the last to go after it", () => {
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

Deno.test("ConnectionTable: where every connection has a call the new one is refused", () => {
  const { table, sockets, add, refused } = fill(2, 2);
  for (const { peer } of sockets) table.hold(peer);
  assert.equal(add(), false);
  assert.deepEqual(sockets.map(({ destroyed }) => destroyed), [false, false, true]);
  assert.equal(refused(), 1);
  assert.equal(table.size, 2);
});

Deno.test("ConnectionTable: a connection that closes is forgotten, and its peer may come back", () => {
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

Deno.test("ConnectionTable: an identified connection stays, whatever else connects", () => {
  const { table, sockets, add } = fill(3, 2);
  table.hold(sockets[0].peer)();
  for (let each = 0; each < 10; each++) add();
  assert.equal(sockets[0].destroyed, false);
  assert.equal(table.size, 3);
  // Until there is nobody else: then it is the one that has been idle for the longest.
  for (const { peer, destroyed } of sockets) if (!destroyed) table.hold(peer)();
  add();
  assert.equal(sockets[0].destroyed, true);
});

Deno.test("ConnectionTable: of those that nobody knows one of the largest group goes", () => {
  const { sockets, add } = fill(4, 0);
  add(1, "10.0.0.2");
  for (let port = 2; port < 20; port++) add(port, "10.0.0.3");
  assert.equal(sockets[0].destroyed, false);
  assert.deepEqual(sockets.filter(({ destroyed }) => !destroyed).map((each) => each.remotePort), [
    ...[1, 17, 18, 19],
  ]);
});

Deno.test("ConnectionTable: says whether a call is under way", () => {
  const { table, sockets } = fill(2, 1);
  assert.equal(table.isHeld(sockets[0].peer), false);
  const release = table.hold(sockets[0].peer);
  assert.equal(table.isHeld(sockets[0].peer), true);
  release();
  assert.equal(table.isHeld(sockets[0].peer), false);
  assert.equal(table.isHeld("10.9.9.9:9"), false);
});
