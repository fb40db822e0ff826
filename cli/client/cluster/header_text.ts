/**
 * Texts of kubeconfig files in HTTP headers, as Go writes them.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Whether a header may have a text as its value: Go sends no control characters but tabs. */
export function isHeaderValue(text: string): boolean {
  // deno-lint-ignore no-control-regex
  return !/[\0-\x08\x0a-\x1f\x7f]/.test(text);
}

/**
 * A header's value for Node.js, which takes one character a byte, so that the bytes are those of
 * the text in UTF-8.
 */
export function toHeaderValue(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** A part of a header's name: bytes that no name may have, and `%`, as `%` and two digits. */
export function toHeaderName(text: string): string {
  return [...Buffer.from(text)].map((byte) => {
    const character = String.fromCharCode(byte);
    return /[\w!#$&'*+.^`|~-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}
