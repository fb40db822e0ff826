import type { ClusterOptions } from "../client/cluster/kubernetes.ts";
import { PROGRAM } from "../program_name.ts";

/** Says something to whoever watches: standard output is for results. */
export function say(text: string): void {
  for (const line of text.split("\n")) console.error(`${PROGRAM}: ${line}`);
}

/** What a cluster's options have to print its requests, at kubectl's level for that. */
export function requestLog(
  verbosity: number,
  reporter: { say(text: string): void },
): Pick<ClusterOptions, "onRequest"> {
  return verbosity < 6 ? {} : {
    onRequest: ({ method, url, outcome, milliseconds }) =>
      reporter.say(`${method} ${url} ${outcome} in ${milliseconds} milliseconds`),
  };
}
