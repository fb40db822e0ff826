/** The daemon has nothing of a recording, because the connection or the daemon itself was lost. */
export class RecordingLostError extends Error {}
