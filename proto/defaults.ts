/**
 * What holds where nobody says otherwise, for both programs.
 *
 * @module
 */

/** The port of the daemon's gRPC service. */
export const DAEMON_PORT = 6543;

/** The namespace of the daemons. */
export const NECOPERF_NAMESPACE = "necoperf";

/**
 * The audience of callers' tokens: a token for the API server, or anything else, is not accepted.
 */
export const TOKEN_AUDIENCE = "necoperf";

/** How long the client records. */
export const DURATION_SECONDS = 30;

/** Samples per second and processor. */
export const FREQUENCY_HZ = 99;

/** Bytes of stack copied with a sample: perf's own default for `--call-graph dwarf`. */
export const STACK_SIZE_BYTES = 8192;

/** How many containers the client records at a time. */
export const MAX_CONCURRENT_TARGETS = 8;

/** How long the client tries to come back after it has lost a connection. */
export const RETRY_TIMEOUT_SECONDS = 60;
