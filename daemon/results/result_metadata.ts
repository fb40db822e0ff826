import type { Grant, Owner } from "../caller.ts";
import { isCompleteness } from "../../proto/completeness.ts";
import { isSide } from "../../proto/side.ts";
import type { CpuBandwidth, CpuCounters, CpuFindings } from "../recording.ts";
import type { WholeResult } from "./result.ts";

/** The form in which it is written; a daemon reads its own only. */
const VERSION = 2;

/** What rests beside the bytes of a whole result, for the daemon's next process. */
interface ResultMetadata {
  owner: Owner;
  /** The right that the owner must still have; missing where callers are not authenticated. */
  grant?: Grant;
  /** When it became whole, by the clock on the wall. */
  wholeAt: Date;
  whole: WholeResult;
}

/** Writes what `parseMetadata` reads. */
export function formatMetadata(metadata: ResultMetadata): string {
  const { owner: { user, uid }, grant, wholeAt, whole } = metadata;
  const { sha256, ...rest } = whole;
  const text = { ...rest, sha256: Buffer.from(sha256).toString("hex") };
  return JSON.stringify({ version: VERSION, owner: { user, uid }, grant, wholeAt, whole: text });
}

/** Throws an `Error` that says what is wrong with a text of another form or version. */
export function parseMetadata(text: string): ResultMetadata {
  const { version, owner, grant, wholeAt, whole } = record(JSON.parse(text), "it");
  if (version !== VERSION) throw new Error(`its version is ${version}, not ${VERSION}`);
  const { user, uid } = record(owner, "owner");
  const { sha256, completeness, ...rest } = record(whole, "whole");
  if (typeof user !== "string" || typeof uid !== "string") throw malformed("owner");
  if (typeof wholeAt !== "string" || Number.isNaN(Date.parse(wholeAt))) throw malformed("wholeAt");
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) throw malformed("sha256");
  if (typeof completeness !== "string" || !isCompleteness(completeness)) {
    throw malformed("completeness");
  }
  return {
    owner: { user, uid },
    ...(grant === undefined ? {} : { grant: parseGrant(record(grant, "grant")) }),
    wholeAt: new Date(wholeAt),
    whole: {
      completeness,
      samples: number(rest, "samples"),
      lostSamples: number(rest, "lostSamples"),
      throttled: number(rest, "throttled"),
      sampledSeconds: number(rest, "sampledSeconds"),
      // Of a daemon that did not count them.
      missedProcesses: rest.missedProcesses === undefined ? 0 : number(rest, "missedProcesses"),
      sizeBytes: number(rest, "sizeBytes"),
      compressedSizeBytes: number(rest, "compressedSizeBytes"),
      sha256: new Uint8Array(Buffer.from(sha256, "hex")),
      ...parseCpuFindings(rest),
    },
  };
}

/** Of a daemon that read no counters there is nothing. */
function parseCpuFindings({ cpu, cpuUnknown }: Record<string, unknown>): CpuFindings {
  if (cpuUnknown !== undefined && typeof cpuUnknown !== "string") throw malformed("cpuUnknown");
  return {
    ...cpu === undefined ? {} : { cpu: parseCpuCounters(record(cpu, "cpu")) },
    ...cpuUnknown === undefined ? {} : { cpuUnknown },
  };
}

function parseCpuCounters(values: Record<string, unknown>): CpuCounters {
  const { bandwidth, podBandwidth } = values;
  return {
    elapsedSeconds: number(values, "elapsedSeconds"),
    ...optional(values, "usedSeconds"),
    ...optional(values, "pressureSeconds"),
    ...optional(values, "delaySeconds"),
    ...bandwidth === undefined ? {} : { bandwidth: parseBandwidth(bandwidth) },
    ...podBandwidth === undefined ? {} : { podBandwidth: parseBandwidth(podBandwidth) },
  };
}

function parseBandwidth(value: unknown): CpuBandwidth {
  const values = record(value, "bandwidth");
  return {
    ...optional(values, "quotaSeconds"),
    periodSeconds: number(values, "periodSeconds"),
    periods: number(values, "periods"),
    throttledPeriods: number(values, "throttledPeriods"),
    throttledSeconds: number(values, "throttledSeconds"),
  };
}

function number(values: Record<string, unknown>, name: string): number {
  const value = values[name];
  if (typeof value !== "number" || !(value >= 0)) throw malformed(name);
  return value;
}

function optional<Name extends string>(
  values: Record<string, unknown>,
  name: Name,
): { [_ in Name]?: number } {
  return (values[name] === undefined ? {} : { [name]: number(values, name) }) as {
    [_ in Name]?: number;
  };
}

function parseGrant({ podNamespace, podName, side }: Record<string, unknown>): Grant {
  const isText = typeof podNamespace === "string" && typeof podName === "string";
  if (!isText || typeof side !== "string" || !isSide(side)) throw malformed("grant");
  return { podNamespace, podName, side };
}

function record(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  throw malformed(name);
}

function malformed(name: string): Error {
  return new Error(`${name} is missing or not what it should be`);
}
