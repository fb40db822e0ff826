import assert from "node:assert/strict";
import { ExitStatus } from "../../../../cli/errors.ts";
import {
  describeRpcFailure,
  isConnectionLoss,
  isRpcFailure,
} from "../../../../cli/client/daemon/rpc_failure.ts";
import { grpc } from "../../../../proto/grpc.ts";

Deno.test("describeRpcFailure: every gRPC status has its exit status", () => {
  const expected: [keyof typeof grpc.status, ExitStatus][] = [
    ["CANCELLED", ExitStatus.UNREACHABLE],
    ["UNKNOWN", ExitStatus.OTHER],
    ["INVALID_ARGUMENT", ExitStatus.USAGE],
    ["DEADLINE_EXCEEDED", ExitStatus.UNREACHABLE],
    ["NOT_FOUND", ExitStatus.NOT_FOUND],
    ["ALREADY_EXISTS", ExitStatus.OTHER],
    ["PERMISSION_DENIED", ExitStatus.NOT_ALLOWED],
    ["RESOURCE_EXHAUSTED", ExitStatus.OTHER],
    ["FAILED_PRECONDITION", ExitStatus.RECORDING_FAILED],
    ["ABORTED", ExitStatus.OTHER],
    ["OUT_OF_RANGE", ExitStatus.OTHER],
    ["UNIMPLEMENTED", ExitStatus.OTHER],
    ["INTERNAL", ExitStatus.RECORDING_FAILED],
    ["UNAVAILABLE", ExitStatus.UNREACHABLE],
    ["DATA_LOSS", ExitStatus.OTHER],
    ["UNAUTHENTICATED", ExitStatus.NOT_ALLOWED],
  ];
  for (const [name, exitStatus] of expected) {
    const error = describeRpcFailure({ code: grpc.status[name], details: "why" }, "the daemon");
    assert.equal(error.exitStatus, exitStatus, name);
    assert.match(error.message, /^the daemon: .*why/);
  }
});

Deno.test("describeRpcFailure: a status without words gives its name", () => {
  const error = describeRpcFailure({ code: grpc.status.ABORTED, details: "" }, "the daemon");
  assert.equal(error.message, "the daemon: ABORTED");
});

Deno.test("isRpcFailure: distinguishes a failed call from other errors", () => {
  const failure = Object.assign(new Error("x"), { code: 14, details: "lost" });
  assert(isRpcFailure(failure));
  assert(!isRpcFailure(Object.assign(new Error("x"), { code: "ENOSPC" })));
  assert(!isRpcFailure(undefined));
});

Deno.test("describeRpcFailure: says when a daemon with a full queue may be asked again", () => {
  const metadata = new grpc.Metadata();
  metadata.set("grpc-retry-pushback-ms", "89500");
  const failure = { code: grpc.status.RESOURCE_EXHAUSTED, details: "the queue is full", metadata };
  const error = describeRpcFailure(failure, "the daemon");
  assert.equal(error.message, "the daemon: the queue is full; try again in 1m30s");
});

Deno.test("isConnectionLoss: distinguishes a lost connection from a refusal", () => {
  const isLoss = (status: keyof typeof grpc.status, details = "") =>
    isConnectionLoss({ code: grpc.status[status], details });
  assert(isLoss("UNAVAILABLE", "Connection dropped"));
  assert(isLoss("CANCELLED"));
  assert(isLoss("INTERNAL", "Received RST_STREAM with code 2 (Internal server error)"));
  const details = "Received RST_STREAM with code 2 (Internal server error)";
  const reset = describeRpcFailure({ code: grpc.status.INTERNAL, details }, "the daemon");
  assert.equal(reset.exitStatus, ExitStatus.UNREACHABLE);
  assert.match(reset.message, /the connection was lost/);
  assert(!isLoss("INTERNAL", "perf script crashed"));
  assert(!isLoss("NOT_FOUND"));
  assert(!isLoss("RESOURCE_EXHAUSTED"));
});

Deno.test("describeRpcFailure: of a deadline only how long it was is shown", () => {
  const details =
    "Deadline exceeded after 5.001s,LB pick: 0.002s,remote_addr=/necoperf-stream-0355c113/2";
  const error = describeRpcFailure({ code: grpc.status.DEADLINE_EXCEEDED, details }, "the daemon");
  assert.equal(
    error.message,
    "the daemon: the connection was lost (Deadline exceeded after 5.001s)",
  );
});
