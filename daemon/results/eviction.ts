import type { Owner } from "../caller.ts";

/** Room that a result takes. */
interface Holding {
  owner: Owner;
  sizeBytes: number;
  /** When it goes by itself; not there while it is written. */
  expiresAt?: number;
}

/**
 * Picks the result that goes first when another needs room: of the owner that holds most, the
 * oldest that is whole. An owner loses results of their own before those of others who hold no
 * more.
 *
 * Returns `undefined` when no result may go.
 */
export function pickEviction<T extends Holding>(
  holdings: Iterable<T>,
  asking: { owner: Owner; bytes: number },
): T | undefined {
  const all = [...holdings];
  const heldBytes = new Map([[keyOf(asking.owner), asking.bytes]]);
  for (const { owner, sizeBytes } of all) {
    heldBytes.set(keyOf(owner), (heldBytes.get(keyOf(owner)) ?? 0) + sizeBytes);
  }
  const heldBy = (owner: Owner) => heldBytes.get(keyOf(owner))!;
  return all
    .filter(({ owner, expiresAt }) =>
      expiresAt !== undefined &&
      (keyOf(owner) === keyOf(asking.owner) || heldBy(owner) > heldBy(asking.owner))
    )
    .sort((a, b) => heldBy(b.owner) - heldBy(a.owner) || a.expiresAt! - b.expiresAt!)
    .at(0);
}

function keyOf({ user, uid }: Owner): string {
  return JSON.stringify([user, uid]);
}
