/**
 * Matches what a terminal acts on instead of showing it: C0 and C1 control characters and DEL
 * (ECMA-48), line and paragraph separators, the marks that reorder text (Unicode Standard Annex #9)
 * and those that stand for nothing that is seen.
 */
const CONTROLS =
  // deno-lint-ignore no-control-regex -- these are what it looks for
  /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

const SHORT: Record<string, string> = { "\t": "\\t", "\n": "\\n", "\r": "\\r", "\x1b": "\\x1b" };

/**
 * Writes the control characters of a text as escapes, as Go's `%q` does: `\n`, `\x1b`, `\u202e`.
 *
 * For text that comes from a cluster, a daemon, a container or a file and goes to a terminal: no
 * escape sequence, and no line break with which it could forge a line, is left in it.
 */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, escape);
}

/** As `escapeControls`, but keeps line breaks: for text that was put together line by line. */
export function escapeLines(text: string): string {
  return text.replace(CONTROLS, (control) => control === "\n" ? control : escape(control));
}

/** As `escapeControls`, but keeps line breaks and tabs: for the text of a whole file. */
export function escapeText(text: string): string {
  return text.replace(
    CONTROLS,
    (control) => control === "\n" || control === "\t" ? control : escape(control),
  );
}

/** Writes what is left of control characters in JSON as JSON's own escapes: `\u009b`. */
export function escapeJson(json: string): string {
  return json.replace(CONTROLS, (control) => control === "\n" ? control : toJsonEscape(control));
}

function escape(control: string): string {
  const code = control.charCodeAt(0);
  return SHORT[control] ??
    (code < 0x80 ? `\\x${code.toString(16).padStart(2, "0")}` : toJsonEscape(control));
}

function toJsonEscape(control: string): string {
  return `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
