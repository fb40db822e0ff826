import { type Advice, advise } from "./advice.ts";
import { type CpuLimit, findCpuLimit } from "./cpu_limit.ts";
import { type CpuUse, findCpuUse } from "./cpu_use.ts";
import type { ProfileResult } from "../client/recording/profile.ts";
import type { Target } from "../client/targets/target.ts";
import type { RecordingSummary } from "../client/recording/recording_event.ts";
import type { RecordOptions } from "../client/recording/record_options.ts";
import { type FunctionShare, hottestFunctions } from "./hottest.ts";
import { findThreadTime, type ThreadTime } from "./thread_time.ts";
import type { LeftOut } from "../script/stack_profile.ts";

/** All details of a result, as `--json` prints them; see docs/reference/json.md. */
export interface Report {
  path?: string;
  /** As the daemon's log names it. */
  recordingId?: string;
  /** What was recorded, when this program has recorded it. */
  target?: {
    namespace?: string;
    pod?: string;
    container?: string;
    node?: string;
    containerId: string;
  };
  summary: RecordingSummary;
  /** Missing when the samples do not show it. */
  cpuUse?: CpuUse;
  /** What the container's CPU limit did to it; missing when nothing is known of one. */
  cpuLimit?: CpuLimit;
  /** What became of threads' time, when that was recorded. */
  threadTime?: ThreadTime;
  /**
   * Ten functions that have most of the main event; none when perf script's text has not arrived.
   */
  hottest: FunctionShare[];
  /** The part of perf script's text that was not understood, if any. */
  leftOut?: LeftOut[];
  /** What makes the result worth less than it looks. */
  warnings: Advice[];
}

/** How many functions are told of. */
export const HOTTEST = 10;

/** Finds what there is to know of a result, by what was asked for as far as that is known. */
export function makeReport(
  { path, stacks, ...summary }: ProfileResult,
  { target, recordOptions: asked, recordingId }: {
    target?: Target;
    recordOptions?: RecordOptions;
    recordingId?: string;
  },
): Report {
  const cpuUse = findCpuUse(summary, { stacks, asked });
  const cpuLimit = findCpuLimit(summary, target?.pod?.cpu);
  return {
    path,
    recordingId,
    target: target && {
      namespace: target.pod?.namespace,
      pod: target.pod?.name,
      container: target.pod?.container,
      node: target.pod?.nodeName,
      containerId: target.containerId,
    },
    summary,
    cpuUse,
    cpuLimit,
    threadTime: stacks && findThreadTime(stacks),
    hottest: stacks ? hottestFunctions(stacks, HOTTEST) : [],
    leftOut: stacks?.leftOut.length ? stacks.leftOut : undefined,
    warnings: advise({ summary, stacks, cpuUse, cpuLimit, callGraph: asked?.callGraph }),
  };
}
