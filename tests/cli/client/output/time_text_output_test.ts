import assert from "node:assert/strict";
import { openNowhere, type Output } from "../../../../cli/client/output/output.ts";
import { ExitStatus } from "../../../../cli/errors.ts";
import { rejectsWith } from "../../rejects_with.ts";
import { timeTextOutput } from "../../../../cli/client/output/time_text_output.ts";

const SWITCHES = "# necoperf: thread-time all\n" +
  "web 7/8 10.000000000: 10101010 cpu-clock: \n\t55d0 f+0x1 (/web)\n\n" +
  "web 7/8 10.002000000: 1 context-switches: \n\t55d0 poll+0x1 (/web)\n\n" +
  "web 7/8 10.002000000: PERF_RECORD_SWITCH OUT        \n" +
  "web 7/8 10.012000000: PERF_RECORD_SWITCH IN         \n";

/** What arrives behind the output when `texts` are written in pieces, each from its beginning. */
async function arrived(pieceLength: number, ...texts: string[]): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  const behind: Output = {
    ...openNowhere(),
    begin: () => Promise.resolve(void (text = "")),
    write: (bytes) => Promise.resolve(void (text += decoder.decode(bytes))),
  };
  const output = timeTextOutput(behind);
  for (const [index, each] of texts.entries()) {
    await output.begin(`recording ${index}`);
    const bytes = new TextEncoder().encode(each);
    for (let at = 0; at < bytes.length; at += pieceLength) {
      await output.write(bytes.subarray(at, at + pieceLength));
    }
  }
  await output.commit();
  return text;
}

const eventsOf = (text: string) => text.match(/\d+ \S+(?=: $)/gm);

Deno.test("timeTextOutput: makes time text of what says that it has switches", async () => {
  for (const length of [1, 10, 1000]) {
    assert.deepEqual(eventsOf(await arrived(length, SWITCHES)), [
      "2000000 cpu-clock",
      "10000000 offcpu-time",
    ]);
  }
});

Deno.test("timeTextOutput: leaves every other result as it is", async () => {
  const others = ["", "#", "web 7/8 10.0: 1 cycles: \n\t55d0 f (/web)\n\n", SWITCHES.slice(1)];
  for (const text of others) {
    for (const length of [1, 1000]) assert.equal(await arrived(length, text), text);
  }
});

Deno.test("timeTextOutput: takes no other result where one of threads' time is required", async () => {
  for (const text of ["web 7/8 10.0: 1 cycles: \n", "short"]) {
    const output = timeTextOutput(openNowhere(), { isRequired: true });
    await output.begin("recording");
    const written = async () => {
      await output.write(new TextEncoder().encode(text));
      await output.commit();
    };
    await rejectsWith(written(), ExitStatus.RECORDING_FAILED, /not recorded threads/);
  }
});

Deno.test("timeTextOutput: begins anew with each attempt", async () => {
  const half = SWITCHES.slice(0, 90);
  assert.equal(await arrived(7, half, SWITCHES), await arrived(7, SWITCHES));
  assert.equal(await arrived(7, half, "other text"), "other text");
});
