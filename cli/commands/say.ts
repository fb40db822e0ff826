import { PROGRAM } from "../program_name.ts";

/** Says something to whoever watches: standard output is for results. */
export function say(text: string): void {
  for (const line of text.split("\n")) console.error(`${PROGRAM}: ${line}`);
}
