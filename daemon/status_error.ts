/** The names of the gRPC statuses with which the daemon refuses or fails a request. */
export type StatusName =
  | "INVALID_ARGUMENT"
  | "NOT_FOUND"
  | "PERMISSION_DENIED"
  | "UNAUTHENTICATED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "CANCELLED"
  | "UNAVAILABLE"
  | "INTERNAL";

/**
 * A failure whose message is written for the caller. It is made where the cause is known; only the
 * gRPC service turns it into a status.
 */
export class StatusError extends Error {
  override readonly name = "StatusError";

  /** When it is worth another try. */
  readonly retryAfterSeconds?: number;

  constructor(
    readonly status: StatusName,
    message: string,
    options?: ErrorOptions & { retryAfterSeconds?: number },
  ) {
    super(message, options);
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }
}
