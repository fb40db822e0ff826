import assert from "node:assert/strict";
import { ExitStatus } from "../../cli/exit_status.ts";
import { describeRpcFailure, isRpcFailure } from "../../cli/rpc_failure.ts";
import { grpc } from "../../proto/grpc.ts";

Deno.test("every gRPC status has its exit status", () => {
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

Deno.test("a status without words gives its name", () => {
  const error = describeRpcFailure({ code: grpc.status.ABORTED, details: "" }, "the daemon");
  assert.equal(error.message, "the daemon: ABORTED");
});

Deno.test("tells a failed call from other errors", () => {
  const failure = Object.assign(new Error("x"), { code: 14, details: "lost" });
  assert(isRpcFailure(failure));
  assert(!isRpcFailure(Object.assign(new Error("x"), { code: "ENOSPC" })));
  assert(!isRpcFailure(undefined));
});
