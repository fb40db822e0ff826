import assert from "node:assert/strict";
import { DownloadSlots } from "../../../daemon/recordings/download_slots.ts";

/** Takes places until there is none, and returns the calls that have one. */
function takeAll(places: DownloadSlots, owner: string): AbortController[] {
  const calls: AbortController[] = [];
  for (;;) {
    const call = new AbortController();
    try {
      places.take(owner, call.signal);
    } catch (error) {
      assert.equal((error as { status?: string }).status, "RESOURCE_EXHAUSTED");
      return calls;
    }
    calls.push(call);
  }
}

Deno.test("DownloadSlots: one owner has half of the places at most, and who has none still gets one", () => {
  const places = new DownloadSlots(16);
  const counts = ["a", "b", "c", "d", "e", "f"].map((owner) => takeAll(places, owner).length);
  assert.deepEqual(counts, [8, 4, 2, 1, 1, 0]);
});

Deno.test("DownloadSlots: a place is given back when its call is over", () => {
  const places = new DownloadSlots(2);
  const [call] = takeAll(places, "a");
  assert.equal(takeAll(places, "a").length, 0);
  call.abort();
  assert.equal(takeAll(places, "a").length, 1);
});

Deno.test("DownloadSlots: a call that is over takes no place", () => {
  const places = new DownloadSlots(2);
  for (let call = 0; call < 5; call++) places.take("a", AbortSignal.abort());
  assert.equal(takeAll(places, "a").length, 1);
});
