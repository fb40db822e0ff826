import { CliError, ExitStatus } from "../../errors.ts";
import { escapeControls } from "../../escape_controls.ts";

/**
 * A kubeconfig file that cannot be used: exit status 2. `file` may be several, separated by commas.
 */
export function kubeconfigError(file: string, reason: string, cause?: unknown): CliError {
  return new CliError(ExitStatus.USAGE, `kubeconfig ${file}: ${reason}`, { cause });
}

/** The words of an error, fit for a message. */
export function reasonOf(error: unknown): string {
  return escapeControls((error as Error).message);
}
