import assert from "node:assert/strict";

const LOG = new URL("../../../daemon/operations/log.ts", import.meta.url);

Deno.test("openLog: writes a JSON object a line, in printable ASCII alone", async () => {
  const user = "a\x1b[2J\x9b2J\u202e\nb 関数 🔥";
  const program = `import { openLog } from ${JSON.stringify(LOG)};
    openLog().info("denied", { user: ${JSON.stringify(user)} });`;
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", program],
  }).output();
  const text = new TextDecoder().decode(stderr);
  assert.match(text, /^[\x20-\x7e]+\n$/);
  assert.equal(JSON.parse(text).user, user);
});
