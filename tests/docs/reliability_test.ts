/** What docs/reliability.md says is shown by tests that are there. */
import assert from "node:assert/strict";
import { join } from "node:path";

const ROOT = join(import.meta.dirname!, "../..");

/** The cells of the rows of the table below a heading. */
async function tableBelow(heading: string): Promise<string[][]> {
  const text = await Deno.readTextFile(join(ROOT, "docs/reliability.md"));
  const [, section] = text.split(`\n## ${heading}\n`);
  assert.ok(section, `there is no section ${heading}`);
  const lines = section.split("\n## ")[0].split("\n").filter((line) => line.startsWith("|"));
  // Without its head and the line below that.
  return lines.slice(2).map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

/** Patterns of the names of a file's tests: what a template fills in may be anything. */
async function testNames(file: string): Promise<RegExp[]> {
  const text = await Deno.readTextFile(join(ROOT, file));
  const literals = text.matchAll(/(?:Deno\.test\(|\bname(?: =|:))\s*(["`])(.+?)\1/g);
  return [...literals].map(([, , name]) => {
    const parts = name.split(/\$\{[^}]*\}/).map((part) => RegExp.escape(part));
    return new RegExp(`^${parts.join(".+")}$`);
  });
}

Deno.test("reliability: each row of the table of faults names tests that are there", async () => {
  const rows = await tableBelow("Faults");
  assert.ok(rows.length > 10);
  for (const row of rows) {
    assert.equal(row.length, 5, row[0]);
    assert.ok(row.every((cell) => cell !== ""), row[0]);
    const named = [...row[4].matchAll(/`(tests\/[\w/]+\.ts)`: (.+?)(?=; `tests\/|$)/g)];
    assert.ok(named.length > 0, `${row[0]}: no test is named`);
    for (const [, file, names] of named) {
      const patterns = await testNames(file);
      for (const name of names.split("; ")) {
        assert.ok(patterns.some((each) => each.test(name)), `${file} has no test "${name}"`);
      }
    }
  }
});
