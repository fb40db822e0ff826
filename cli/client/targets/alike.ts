/** Something that is said of one of many. */
export interface Said {
  /** Whom it is said of. */
  name: string;
  /** What is said. */
  message: string;
  /** The names of this one that the message may contain: a node, an address, a container. */
  details?: (string | undefined)[];
}

/**
 * Puts together those of whom the same is said, but for the names in it: each group in the order in
 * which its first came, and its members likewise.
 *
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const groups = groupAlike([
 *   { name: "shop/web-1", message: "there is no daemon on node1", details: ["node1"] },
 *   { name: "shop/web-2", message: "there is no daemon on node2", details: ["node2"] },
 *   { name: "shop/web-3", message: "not allowed" },
 * ]);
 * assert.deepEqual(groups.map((group) => group.map(({ name }) => name)), [
 *   ["shop/web-1", "shop/web-2"],
 *   ["shop/web-3"],
 * ]);
 * ```
 */
export function groupAlike<One extends Said>(all: Iterable<One>): [One, ...One[]][] {
  return [...Map.groupBy(all, alikeKey).values()] as [One, ...One[]][];
}

/** Names that no caller knows of: an object's UID, the pod of a DaemonSet, an address. */
const MADE_NAMES =
  /\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\bnecoperf-daemon-\w+|\b\d+(\.\d+){3}(:\d+)?\b/g;

/** What is said, without the names of the one it is said of. */
export function alikeKey({ name, message, details = [] }: Said): string {
  const names = [name, ...name.split("/"), ...details]
    .filter((part) => part !== undefined && part !== "") as string[];
  // The longest first: some are parts of others.
  return names.sort((a, b) => b.length - a.length).reduce(
    (text, part) =>
      text.replaceAll(new RegExp(`(?<![\\w.-])${RegExp.escape(part)}(?![\\w-])`, "g"), "\0"),
    message.replaceAll(MADE_NAMES, "\0"),
  );
}

/** How many are named of those who are told of together. */
const NAMED = 3;

/** For example `web-1, web-2, web-3 and 2997 others`. */
export function listSome(names: string[]): string {
  if (names.length <= NAMED + 1) return names.join(", ");
  return `${names.slice(0, NAMED).join(", ")} and ${names.length - NAMED} others`;
}

/**
 * For example ` (likewise web-2, web-3)`: of whom the same is said. Nothing when there is nobody.
 */
export function likewise(others: Pick<Said, "name">[]): string {
  return others.length === 0 ? "" : ` (likewise ${listSome(others.map(({ name }) => name))})`;
}
