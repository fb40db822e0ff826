/**
 * Parsers of option values, and the errors for invalid ones.
 *
 * @module
 */
import { InvalidArgumentError } from "commander";
import { DAEMON_PORT } from "../../proto/defaults.ts";
import { parseDuration } from "../../proto/duration.ts";
import { CliError, ExitStatus } from "../errors.ts";
import type { CallGraph } from "../client/recording/record_options.ts";

export function parseText(text: string): string {
  // What `-n "$NAMESPACE"` gives when the variable is not set.
  if (text.trim() === "") throw new InvalidArgumentError("It is empty.");
  return text;
}

export function parseTime(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(`${(error as RangeError).message}.`);
  }
}

/** As kubectl's `--request-timeout`: zero for none, a plain number for seconds. */
export function parseRequestTimeout(text: string): number {
  return /^0+(h|ms|m|s)?$/.test(text) ? 0 : parseTime(text);
}

export function parseVerbosity(text: string): number {
  if (!/^\d{1,2}$/.test(text)) throw new InvalidArgumentError("It must be a number, such as 6.");
  return Number(text);
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 0xffff_ffff) {
    throw new InvalidArgumentError("It must be a whole number above zero.");
  }
  return count;
}

export function collectEvents(text: string, before: string[] = []): string[] {
  // A comma between slashes belongs to the event: cpu/event=0x3c,umask=0/.
  const events = text.split(/,(?=(?:[^/]*\/[^/]*\/)*[^/]*$)/).map((event) => event.trim());
  if (events.includes("")) throw new InvalidArgumentError("An event's name is empty.");
  return [...before, ...events];
}

export function parseCallGraph(text: string): CallGraph {
  const [method, size] = text.split(/,(.*)/);
  if (method === "dwarf") {
    return size === undefined ? { method } : { method, stackSizeBytes: parseCount(size) };
  }
  if (size === undefined && (method === "fp" || method === "lbr" || method === "none")) {
    return { method };
  }
  throw new InvalidArgumentError("It must be fp, dwarf, dwarf,BYTES, lbr or none.");
}

export function parseServerName(text: string): string {
  // TLS sends it along, and takes no addresses for that.
  if (!/^(?=.*[A-Za-z])[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError("It must be a DNS name, as in a certificate.");
  }
  return text;
}

export function parseDaemonAddress(text: string): string {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (!host || Number(port) > 65535 || Number(port) === 0) {
    throw usageError(`'${text}' is not the address of a daemon: HOST:PORT, or [IPv6 address]:PORT`);
  }
  return `${host}:${port ?? DAEMON_PORT}`;
}

export function usageError(message: string): CliError {
  return new CliError(ExitStatus.USAGE, message);
}
