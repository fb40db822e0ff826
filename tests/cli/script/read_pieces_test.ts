import assert from "node:assert/strict";
import { foldPerfScript } from "../../../cli/script/fold.ts";
import { parsePerfScript } from "../../../cli/script/parse.ts";
import { readPieces } from "../../../cli/script/read_pieces.ts";
import { inChunks } from "./recordings.ts";

Deno.test("readPieces: both readers are done with a piece when they ask for the next", async () => {
  const sample = "web 7/7 1.5: 3 cycles: \n\t  10 hot+0x2 (/web)\n\t  20 main (/web)\n\n";
  const bytes = new TextEncoder().encode(sample.repeat(20_000));
  const path = await Deno.makeTempFile();
  using file = await Deno.open(path, { read: true, write: true });
  await Deno.remove(path);
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));

  await file.seek(0, Deno.SeekMode.Start);
  const folded = await foldPerfScript(readPieces(file));
  assert.deepEqual(folded, await foldPerfScript(inChunks(bytes)));
  assert.equal(folded.samples, 20_000);

  await file.seek(0, Deno.SeekMode.Start);
  const samples = await Array.fromAsync(parsePerfScript(readPieces(file)));
  assert.equal(samples.length, 20_000);
  assert.deepEqual(samples.at(-1), samples[0]);
});
