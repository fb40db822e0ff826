const BYTES_PER_UNIT: Record<string, number> = { Gi: 2 ** 30, Mi: 2 ** 20, Ki: 2 ** 10, "": 1 };

/**
 * Reads a number of bytes as Kubernetes writes quantities: `2Gi`, `512Mi`, `64Ki` or `1048576`.
 *
 * Throws a `RangeError` for a text of another form and for one that is not above zero.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(parseSize("512Mi"), 536870912);
 * ```
 */
export function parseSize(text: string): number {
  const [, number, unit = ""] = /^(\d+)(Gi|Mi|Ki)?$/.exec(text) ?? [];
  const bytes = Number(number) * BYTES_PER_UNIT[unit];
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw new RangeError(`'${text}' is not a size above zero such as 2Gi, 512Mi or 1048576`);
}

/**
 * Writes a number of bytes the way `parseSize` reads it, in the largest unit that fits.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(formatSize(2 ** 31), "2Gi");
 * assert.equal(formatSize(1000), "1000");
 * ```
 */
export function formatSize(bytes: number): string {
  const [unit, size] = Object.entries(BYTES_PER_UNIT).find(([, size]) => bytes % size === 0)!;
  return `${bytes / size}${unit}`;
}
