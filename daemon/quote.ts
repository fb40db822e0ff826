/**
 * Quotes a caller's text for a message or a log: everything but printable ASCII is escaped, and a
 * text longer than `limit` characters is cut, with its length told.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(quote("a\u0000b"), '"a\\u0000b"');
 * assert.equal(quote("aaaa", 2), '"aa"... (4 characters)');
 * ```
 */
export function quote(text: string, limit = 80): string {
  // JSON leaves DEL, the C1 controls, line separators and right-to-left marks as they are.
  const escaped = JSON.stringify(text.slice(0, limit)).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return text.length > limit ? `${escaped}... (${text.length} characters)` : escaped;
}
