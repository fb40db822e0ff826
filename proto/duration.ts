import type { Duration, Duration__Output } from "./gen/google/protobuf/Duration.ts";

const SECONDS_PER_UNIT: Record<string, number> = { h: 3600, m: 60, s: 1, ms: 1e-3 };

/**
 * Reads a length of time as people write it: `30s`, `1m30s`, `500ms`, or `30` for seconds.
 *
 * Returns seconds. Throws a `RangeError` whose message names what is wrong with the text, for a
 * text of another form and for one that is not above zero.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(parseDuration("1m30s"), 90);
 * ```
 */
export function parseDuration(text: string): number {
  if (!/^(\d+(\.\d+)?|(\d+(\.\d+)?(h|ms|m|s))+)$/.test(text)) {
    throw new RangeError(`'${text}' is not a duration such as 30s, 1m30s or 500ms`);
  }
  let seconds = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)?/g)) {
    seconds += Number(number) * SECONDS_PER_UNIT[unit ?? "s"];
  }
  if (seconds <= 0) throw new RangeError(`'${text}' is not above zero`);
  return seconds;
}

/**
 * Writes seconds the way `parseDuration` reads them, in the largest units that fit.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(formatDuration(90), "1m30s");
 * assert.equal(formatDuration(0.25), "250ms");
 * ```
 */
export function formatDuration(seconds: number): string {
  const sign = seconds < 0 ? "-" : "";
  const milliseconds = Math.round(Math.abs(seconds) * 1000);
  if (milliseconds < 1000) return `${sign}${milliseconds}ms`;
  const hours = Math.floor(milliseconds / 3_600_000);
  const minutes = Math.floor(milliseconds / 60_000) % 60;
  const rest = (milliseconds % 60_000) / 1000;
  return sign + (hours ? `${hours}h` : "") + (minutes ? `${minutes}m` : "") +
    (rest ? `${rest}s` : "");
}

/** Turns seconds into a `google.protobuf.Duration`. */
export function toDuration(seconds: number): Duration {
  const nanoseconds = Math.round(seconds * 1e9);
  return { seconds: Math.trunc(nanoseconds / 1e9), nanos: nanoseconds % 1e9 };
}

/** Turns a `google.protobuf.Duration` into seconds; a message that is not there is 0. */
export function fromDuration(duration: Duration__Output | null): number {
  return duration ? duration.seconds + duration.nanos / 1e9 : 0;
}
