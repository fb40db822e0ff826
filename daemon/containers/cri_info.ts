import { quote } from "../quote.ts";
import { StatusError } from "../status_error.ts";

/** The kernel counts no process above this (PID_MAX_LIMIT of a 64-bit system). */
export const MAX_PID = 2 ** 22;

/**
 * Reads the main process's id from the `info` of a verbose `ContainerStatus`. Throws an `INTERNAL`
 * `StatusError` that says what the runtime gave instead.
 *
 * containerd (internal/cri/server/container_status.go) and CRI-O (server/container_status.go,
 * createContainerInfo) put a JSON object with the number `pid` under the key `info`; CRI-O before
 * 1.18 (cri-o/cri-o#1754) put the number's text under the key `pid`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(pidOfInfo({ info: '{"sandboxID":"0f","pid":4711}' }), 4711);
 * assert.equal(pidOfInfo({ pid: "4711", sandboxId: "0f" }), 4711);
 * ```
 */
export function pidOfInfo(info: Readonly<Record<string, string>>): number {
  const pid = givenPid(info);
  if (typeof pid === "number" && Number.isInteger(pid) && pid > 0 && pid <= MAX_PID) return pid;
  throw new StatusError(
    "INTERNAL",
    `the container runtime gave ${
      quote(JSON.stringify(pid) ?? "nothing")
    } as the container's process id, which is none`,
  );
}

function givenPid(info: Readonly<Record<string, string>>): unknown {
  if (info.info !== undefined) {
    try {
      return JSON.parse(info.info)?.pid;
    } catch {
      throw new StatusError(
        "INTERNAL",
        `the container runtime gave information about the container that is not JSON: ${
          quote(info.info)
        }`,
      );
    }
  }
  return /^[1-9]\d*$/.test(info.pid ?? "") ? Number(info.pid) : info.pid;
}
