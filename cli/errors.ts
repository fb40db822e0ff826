/** What the program's exit status says. Scripts hold on to these numbers. */
export const ExitStatus = {
  DONE: 0,
  /** Anything that no other status names. */
  OTHER: 1,
  USAGE: 2,
  /** No such pod, container or node daemon; or none that could be profiled. */
  NOT_FOUND: 3,
  NOT_ALLOWED: 4,
  UNREACHABLE: 5,
  /** The recording failed or caught no sample. */
  RECORDING_FAILED: 6,
  /** There is a result, but it does not cover all of the duration asked for. */
  PARTIAL: 7,
  INTERRUPTED: 130,
} as const;

/** One of the numbers of `ExitStatus`. */
export type ExitStatus = typeof ExitStatus[keyof typeof ExitStatus];

/**
 * A failure whose message is written for the person at the terminal: what failed, on what, and what
 * to do about it. It is made where the cause is known.
 */
export class CliError extends Error {
  /** Distinguishes it from other errors, also in another realm. */
  override readonly name = "CliError";

  /** `message` may have several lines. */
  constructor(
    /** What a program that fails of it exits with. */
    readonly exitStatus: ExitStatus,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The failure of a user who gave up. */
export function interrupted(): CliError {
  return new CliError(ExitStatus.INTERRUPTED, "interrupted; nothing was kept");
}

/**
 * The exit status of several failures, which is that of most of them, and of the first of those.
 */
export function mostCommonStatus(errors: CliError[]): ExitStatus {
  const counts = new Map<ExitStatus, number>();
  for (const { exitStatus } of errors) counts.set(exitStatus, (counts.get(exitStatus) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one)[0][0];
}
