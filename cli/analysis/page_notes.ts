import type { RecordingSummary } from "../client/recording/recording_event.ts";
import type { Target } from "../client/targets/target.ts";
import { adviseOnCpuLimit } from "./advice.ts";
import { describeCpuLimit, findCpuLimit } from "./cpu_limit.ts";

/**
 * What the page of a flame graph says of a recording besides: what the CPU limit did, in a line.
 */
export function pageNotes(summary: RecordingSummary, target?: Target): string[] {
  const limit = findCpuLimit(summary, target?.pod?.cpu);
  if (!limit) return [];
  const text = adviseOnCpuLimit(limit)?.text ?? describeCpuLimit(limit);
  return text === undefined ? [] : [`${text[0].toUpperCase()}${text.slice(1)}.`];
}
