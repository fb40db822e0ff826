import assert from "node:assert/strict";
import { IdleTimer } from "../../../daemon/recordings/idle_timer.ts";

const SILENCE_MS = 4;

/** Long enough for the watch to look a few times, however late its timers are. */
async function looks(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
  }
}

Deno.test("IdleTimer: silence is acted upon, again and again, and what is heard ends it", async () => {
  let now = 0;
  let acted = 0;
  const watch = new IdleTimer(SILENCE_MS, () => acted++, () => now);
  await looks();
  assert.equal(acted, 0, "no time has gone by");
  now += SILENCE_MS - 1;
  watch.heard();
  now += SILENCE_MS - 1;
  await looks();
  assert.equal(acted, 0, "something was heard meanwhile");
  for (const times of [1, 2]) {
    now += SILENCE_MS;
    await looks();
    assert.equal(acted, times);
  }
  watch.end();
  now += SILENCE_MS;
  await looks();
  assert.equal(acted, 2);
});
