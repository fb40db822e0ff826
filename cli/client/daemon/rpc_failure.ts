import type { Metadata } from "@grpc/grpc-js";
import { formatDuration } from "../../../proto/duration.ts";
import { CliError, ExitStatus } from "../../errors.ts";
import { escapeControls } from "../../escape_controls.ts";

/** A gRPC call that failed, as grpc-js reports it. */
export interface RpcFailure {
  /** The number of a gRPC status. */
  code: number;
  details: string;
  /** The trailer. */
  metadata?: Pick<Metadata, "get">;
}

/** The failure of a daemon with too many recordings, that may have room later. */
export class BusyError extends CliError {
  /** `retryMilliseconds` is when the daemon says to ask again. */
  constructor(
    status: ExitStatus,
    message: string,
    readonly retryMilliseconds: number,
    options?: ErrorOptions,
  ) {
    super(status, message, options);
  }
}

/** The names of the gRPC statuses; each one's number is its place. */
const STATUS_NAMES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

const EXIT_STATUSES: Record<string, ExitStatus> = {
  CANCELLED: ExitStatus.UNREACHABLE,
  INVALID_ARGUMENT: ExitStatus.USAGE,
  DEADLINE_EXCEEDED: ExitStatus.UNREACHABLE,
  NOT_FOUND: ExitStatus.NOT_FOUND,
  PERMISSION_DENIED: ExitStatus.NOT_ALLOWED,
  FAILED_PRECONDITION: ExitStatus.RECORDING_FAILED,
  INTERNAL: ExitStatus.RECORDING_FAILED,
  UNAVAILABLE: ExitStatus.UNREACHABLE,
  UNAUTHENTICATED: ExitStatus.NOT_ALLOWED,
};

/** Says whether an error is a gRPC call's. */
export function isRpcFailure(error: unknown): error is Error & RpcFailure {
  return error instanceof Error && "code" in error && typeof error.code === "number" &&
    "details" in error && typeof error.details === "string";
}

/** Says whether a call ended with the status of that name. */
export function isStatus({ code }: RpcFailure, name: string): boolean {
  return STATUS_NAMES[code] === name;
}

/**
 * Says whether a call that nobody here has cancelled failed for the connection, or for a daemon
 * that is going down: the next may go well.
 */
export function isConnectionLoss({ code, details }: RpcFailure): boolean {
  const name = STATUS_NAMES[code];
  return name === "UNAVAILABLE" || name === "CANCELLED" ||
    // The end of a stream without a status, as grpc-js puts it.
    name === "INTERNAL" && /RST_STREAM|stream ended|Stream closed/i.test(details);
}

/**
 * Describes a server that answered a call and is not a gRPC server, by what grpc-js reports;
 * undefined for an answer of gRPC.
 */
export function foreignAnswer({ details }: RpcFailure): string | undefined {
  const [, status] = /^Received HTTP status code (\d+)/.exec(details) ?? [];
  if (status) return `a web server or a proxy (HTTP status ${status})`;
  // The length of a message is read from the first bytes of a page, which are text.
  const [, length] = /^Received message larger than max \((\d+) vs/.exec(details) ?? [];
  const bytes = [24, 16, 8, 0].map((shift) => Number(length) >> shift & 0xff);
  const isText = bytes.every((byte) => byte >= 0x20 && byte < 0x7f || [9, 10, 13].includes(byte));
  if (length && isText) return "a web server or a proxy (a page of text)";
}

/** The failure to talk to something that is not a daemon. `what` says what it is. */
export function notADaemon(daemon: string, what: string, options?: ErrorOptions): CliError {
  return new CliError(
    ExitStatus.UNREACHABLE,
    `no connection to ${daemon}: it is not a necoperf-daemon but ${what}; check that this is ` +
      "the daemons' gRPC port, and that nothing in between blocks gRPC",
    options,
  );
}

/**
 * Puts a failed call into words, with its exit status.
 *
 * The daemon's own words are written for the user and are kept as they are; `daemon` says whose
 * they are, such as `the daemon on node1 (10.0.0.7:6543)`. `tokenHint` is for a caller who was to
 * prove who they are, and had no token to send.
 */
export function describeRpcFailure(
  failure: RpcFailure,
  daemon: string,
  { tokenHint }: { tokenHint?: string } = {},
): CliError {
  const name = isConnectionLoss(failure)
    ? "UNAVAILABLE"
    : STATUS_NAMES[failure.code] ?? `status ${failure.code}`;
  const status = EXIT_STATUSES[name] ?? ExitStatus.OTHER;
  const foreign = foreignAnswer(failure);
  if (foreign) return notADaemon(daemon, foreign, { cause: failure });
  const hint = name === "UNAUTHENTICATED" && tokenHint !== undefined ? `\n${tokenHint}` : "";
  const retryMilliseconds = Number(failure.metadata?.get("grpc-retry-pushback-ms")[0]);
  if (retryMilliseconds > 0) {
    const wait = formatDuration(Math.ceil(retryMilliseconds / 1000));
    const text = `${daemon}: ${
      describe(name, escapeControls(failure.details))
    }; try again in ${wait}`;
    return new BusyError(status, text, retryMilliseconds, { cause: failure });
  }
  const text = describe(name, escapeControls(failure.details));
  return new CliError(status, `${daemon}: ${text}${hint}`, {
    cause: failure,
  });
}

function describe(name: string, details: string): string {
  switch (name) {
    // Not by this client: the daemon was ended with the call still open.
    case "CANCELLED":
    case "UNAVAILABLE":
    case "DEADLINE_EXCEEDED":
      // grpc-js goes on with how long each of its own steps took, and its name for a tunnel.
      return `the connection was lost (${
        details.replace(/^(Deadline exceeded after [\d.]+s),.*$/s, "$1") || name
      })`;
    case "UNIMPLEMENTED":
      return `it does not know this call (${details}): it is of another release or implementation`;
    default:
      return details || name;
  }
}
