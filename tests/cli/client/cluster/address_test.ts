import assert from "node:assert/strict";
import { splitAddress } from "../../../../cli/client/cluster/address.ts";

Deno.test("splitAddress: takes the brackets off an IPv6 address", () => {
  assert.deepEqual(splitAddress("10.0.0.7:6543"), { host: "10.0.0.7", port: 6543 });
  assert.deepEqual(splitAddress("[fd00::7]:6543"), { host: "fd00::7", port: 6543 });
  assert.throws(() => splitAddress("10.0.0.7"), /not host:port: 10\.0\.0\.7/);
});
