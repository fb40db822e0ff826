import { CliError, ExitStatus } from "../../errors.ts";

/**
 * Says whether a text may be the name of a Kubernetes object. Names go into the API server's paths:
 * `..` or a slash would ask for something else there.
 */
export function isObjectName(text: string): boolean {
  return /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text) && text.length <= 253;
}

/**
 * Returns `name` when it may be the name of `what`, such as "a pod". Throws a `CliError` (exit status
 * 2) otherwise.
 */
export function requireObjectName(what: string, name: string): string {
  if (isObjectName(name)) return name;
  throw new CliError(
    ExitStatus.USAGE,
    `'${name}' is not the name of ${what}: use lower case letters, digits, - and .`,
  );
}
