import type { Side as Message } from "./gen/necoperf/Side.ts";

/** On which side of the system calls samples are taken, by the names that people and logs see. */
export type Side = "user" | "kernel" | "both";

/** One of the two sides, where a request or a result is about no more than that. */
export type OneSide = Exclude<Side, "both">;

/** The value in messages for each name. */
export const SIDES: Readonly<Record<Side, Message>> = {
  user: "SIDE_USER",
  kernel: "SIDE_KERNEL",
  both: "SIDE_BOTH",
};

/** Whether a text is one of the names. */
export function isSide(text: string): text is Side {
  return Object.hasOwn(SIDES, text);
}

/** The name of a message's side; undefined for a message that does not say it. */
export function sideOf(message: Message): Side | undefined {
  const names = Object.keys(SIDES) as Side[];
  return names.find((name) => SIDES[name] === message);
}
