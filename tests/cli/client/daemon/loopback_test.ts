import assert from "node:assert/strict";
import { isLoopback } from "../../../../cli/client/daemon/loopback.ts";

Deno.test("isLoopback: what stays on this machine", () => {
  for (const host of ["127.0.0.1", "127.8.8.8", "localhost", "LocalHost", "[::1]"]) {
    assert(isLoopback(`${host}:6543`), host);
  }
});

Deno.test("isLoopback: what does not, whatever it looks like", () => {
  const hosts = [
    ...["10.0.0.1", "128.0.0.1", "127.0.0.1.example", "127.example", "localhost.example"],
    ...["1127.0.0.1", "[fd00::1]", "[::]", "0.0.0.0", "node1", "xlocalhost", "127.1"],
  ];
  for (const host of hosts) assert(!isLoopback(`${host}:6543`), host);
});
