import assert from "node:assert/strict";
import { defineCommands, parseArguments } from "../../../cli/arguments/arguments.ts";
import { findHelp } from "../../../cli/arguments/help.ts";

Deno.test("findHelp: has the text of each command that commander makes", () => {
  for (const name of Object.keys(defineCommands("1.2.3"))) {
    for (const flag of ["--help", "-h"]) {
      const args = name === "profile" ? [flag] : [name, flag];
      const invocation = parseArguments(args, "1.2.3");
      assert(invocation.kind === "print");
      assert.equal(findHelp(args), invocation.text.trimEnd(), args.join(" "));
    }
  }
});

Deno.test("findHelp: leaves everything but a command's help to parseArguments", () => {
  const others = [[], ["--version"], ["web-1"], ["web-1", "--help"], ["fetch"], ["fetch", "id"]];
  // A pod may be called profile.
  others.push(["profile", "--help"], ["fetch", "id", "--help"], ["toString", "--help"]);
  for (const args of others) assert.equal(findHelp(args), undefined, args.join(" "));
});

Deno.test("findHelp: has no text for another name than the program's own", () => {
  assert.equal(findHelp(["--help"], "kubectl-necoperf"), undefined);
});
