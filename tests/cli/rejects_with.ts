import assert from "node:assert/strict";
import { CliError, type ExitStatus } from "../../cli/errors.ts";

/** Asserts that something fails with an exit status and with words. */
export function rejectsWith(
  promise: Promise<unknown>,
  exitStatus: ExitStatus,
  words: RegExp,
): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert(error instanceof CliError, String(error));
    assert.equal(error.exitStatus, exitStatus, error.message);
    assert.match(error.message, words);
    return true;
  });
}
