import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { GuardedConnection } from "../../../daemon/service/guarded_connection.ts";
import { RequestBudget } from "../../../daemon/service/http2/request_budget.ts";
import { Turns } from "../../../daemon/service/turns.ts";

Deno.test("GuardedConnection: a peer that does not take the reason is hung up on all the same", async () => {
  const reasons: string[] = [];
  let written = "";
  // Not a real one: that the last bytes stay in the daemon takes a send buffer that is full to the
  // byte.
  const socket = Object.assign(
    new Duplex({
      read() {},
      write(chunk: Uint8Array) {
        written += new TextDecoder().decode(chunk);
      },
    }),
    { setNoDelay() {} },
  );
  const connection = new GuardedConnection(socket as unknown as Socket, {
    budget: new RequestBudget(1 << 20),
    turns: new Turns(),
    isHeld: () => false,
    onEnded: (reason) => reasons.push(reason),
  });
  const closed = once(connection, "close");
  connection.resume();
  socket.push(new TextEncoder().encode("GET / HTTP/1.1"));
  await closed;
  assert.deepEqual(reasons, ["protocol"]);
  assert.match(written, /preface of HTTP\/2$/);
  assert.equal(socket.destroyed, false);
  await once(socket, "close");
});
