import assert from "node:assert/strict";
import { describeConnectionFailure } from "../../../../cli/client/daemon/connection_failure.ts";
import { ExitStatus } from "../../../../cli/errors.ts";

// The causes that a real server can be made to give are tested with one: connection_test.ts.
function describe(reason?: string, serverName?: string, clientCertificate = false) {
  const { error, final } = describeConnectionFailure({
    daemon: "the daemon",
    serverName,
    clientCertificate,
    reason,
    retryTimeoutSeconds: 10,
  });
  assert.equal(error.exitStatus, ExitStatus.UNREACHABLE);
  return { message: error.message, final };
}

Deno.test("describeConnectionFailure: keeps the words of the last error and nothing around them", () => {
  const { message, final } = describe(
    "No connection established. Last error: Error: connect ECONNREFUSED 10.0.0.7:6543. " +
      "Resolution note: ",
  );
  assert.match(
    message,
    /^cannot reach the daemon: connect ECONNREFUSED 10\.0\.0\.7:6543; is the daemon running/,
  );
  assert(!final);
});

Deno.test("describeConnectionFailure: says how long it waited only when there was no answer", () => {
  assert.match(describe().message, /cannot reach the daemon: no answer within 10 s; /);
});

Deno.test("describeConnectionFailure: a name that cannot be resolved", () => {
  assert.match(
    describe("Name resolution failed for target dns:nowhere:6543").message,
    /: Name resolution failed for target dns:nowhere:6543; /,
  );
});

Deno.test("describeConnectionFailure: a certificate that is not valid yet, or refused: no use in another try", () => {
  const early = describe("Last error: Error: certificate is not yet valid.", "name");
  assert.match(early.message, /not valid yet; check the clocks/);
  assert(early.final);
  const refused = describe("Last error: received fatal alert: BadCertificate", "name", true);
  assert.match(refused.message, /does not accept this client's certificate .*BadCertificate/);
  assert(refused.final);
});

Deno.test("describeConnectionFailure: a reset is a hint at the other kind of connection", () => {
  assert.match(
    describe("Last error: Error: read ECONNRESET.").message,
    /does the daemon speak TLS/,
  );
  assert.match(describe("Last error: Error: read ECONNRESET.", "name").message, /speak TLS/);
});
