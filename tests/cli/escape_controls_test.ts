import assert from "node:assert/strict";
import { escapeControls, escapeJson, escapeLines, escapeText } from "../../cli/escape_controls.ts";

Deno.test("escapeControls: leaves nothing that a terminal acts on", () => {
  assert.equal(escapeControls("\x1b]0;title\x07"), "\\x1b]0;title\\x07");
  assert.equal(escapeControls("\u009b2J"), "\\u009b2J");
  assert.equal(escapeControls("a\r\nb\tc\x7f\0"), "a\\r\\nb\\tc\\x7f\\x00");
  assert.equal(escapeControls("\u202egnp.exe\u2066\u2028"), "\\u202egnp.exe\\u2066\\u2028");
});

Deno.test("escapeControls: leaves all other text as it is", () => {
  const text = "std::vector<int>::push_back(int&&) änderung 関数 🔥 \\x1b ~!";
  assert.equal(escapeControls(text), text);
});

Deno.test("escapeControls: escapes every control character of Unicode", () => {
  for (let code = 0; code < 0xffff; code++) {
    const character = String.fromCharCode(code);
    if (/\p{Cc}|\p{Zl}|\p{Zp}|\p{Bidi_Control}/u.test(character)) {
      assert.match(escapeControls(character), /^\\[\x20-\x7e]+$/, `U+${code.toString(16)}`);
    }
  }
});

Deno.test("escapeLines: keeps line breaks alone", () => {
  assert.equal(escapeLines("a\n\x1b[2Jb\tc\r\n"), "a\n\\x1b[2Jb\\tc\\r\n");
});

Deno.test("escapeText: keeps line breaks and tabs", () => {
  assert.equal(escapeText("web 1\n\t55d0 \x1b[31mmain\r\n"), "web 1\n\t55d0 \\x1b[31mmain\\r\n");
});

Deno.test("escapeJson: stays the same JSON", () => {
  const value = { symbol: "a\u009b2J\x1b\x7f\u202e\n" };
  const escaped = escapeJson(JSON.stringify(value, null, 2));
  assert.deepEqual(JSON.parse(escaped), value);
  assert.doesNotMatch(escaped, /[^\x20-\x7e\n]/);
});
