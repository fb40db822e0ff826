import assert from "node:assert/strict";
import { convert, convertToText, SCRIPT } from "./profile.ts";
import { openWithSpeedscope } from "./speedscope_app.ts";

Deno.test("convertScript: speedscope itself opens what is written for it", async () => {
  const { title, profile, functions } = await openWithSpeedscope(
    "web.speedscope.json",
    await convert("speedscope"),
  );
  assert.equal(title, "web-0 app - speedscope");
  assert.equal(profile, "cpu-clock:ppp");
  const rows = new Map(functions.map(({ name, ...times }) => [name, times]));
  assert.deepEqual(rows.get("vfs_read"), { total: "20.00ms (40%)", self: "20.00ms (40%)" });
  assert.deepEqual(rows.get("parse"), { total: "30.00ms (60%)", self: "10.00ms (20%)" });
  assert.equal(rows.get("main")?.total, "40.00ms (80%)");
  assert.deepEqual(rows.get("[libz.so.1]"), { total: "10.00ms (20%)", self: "10.00ms (20%)" });
  assert.equal(rows.get("worker")?.total, "10.00ms (20%)");
  assert.equal(rows.size, 8);
});

Deno.test("convertScript: a profile for each event, and a unit only for clocks", async () => {
  const text = SCRIPT + "web 7/7 12.0: 300 cycles: \n\t 55d0 main+0x10 (/app/web)\n\n";
  const { profiles, shared } = JSON.parse(await convertToText("speedscope", text));
  const main = shared.frames.findIndex(({ name }: { name: string }) => name === "main");
  const web = shared.frames.findIndex(({ name }: { name: string }) => name === "web");
  assert.deepEqual(profiles[1], {
    type: "sampled",
    name: "cycles",
    unit: "none",
    startValue: 0,
    endValue: 300,
    samples: [[web, main]],
    weights: [300],
  });
  assert.equal(profiles[0].unit, "nanoseconds");
  assert.equal(profiles[0].endValue, 50_000_000);
});

Deno.test("convertScript: speedscope's reader of folded stacks agrees", async () => {
  const { functions } = await openWithSpeedscope("web.folded", await convert("folded"));
  const rows = new Map(functions.map(({ name, ...times }) => [name, times]));
  assert.deepEqual(rows.get("vfs_read"), { total: "2 (40%)", self: "2 (40%)" });
  assert.equal(rows.get("main")?.total, "4 (80%)");
  assert.equal(rows.size, 8);
});
