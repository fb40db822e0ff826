import type { Side as Message } from "./gen/necoperf/Side.ts";

/** On which side of the system calls samples are taken, by the names that people and logs see. */
export const SIDES = {
  user: "SIDE_USER",
  kernel: "SIDE_KERNEL",
  both: "SIDE_BOTH",
} as const satisfies Record<string, Message>;

/** A name of {@linkcode SIDES}. */
export type Side = keyof typeof SIDES;

/** The name of a message's side; undefined for a message that does not say it. */
export function sideOf(message: Message): Side | undefined {
  const names = Object.keys(SIDES) as Side[];
  return names.find((name) => SIDES[name] === message);
}
