/**
 * Folds a perf script's text once, in a process of its own, and prints what it took as JSON:
 *
 *     deno run -A bench/fold.ts FILE
 *
 * @module
 */
import process from "node:process";
import { foldPerfScript } from "../cli/script/fold.ts";
import { readPieces } from "../cli/script/read_pieces.ts";

using file = await Deno.open(Deno.args[0]);
const { size: sizeBytes } = await file.stat();
const startedAt = performance.now();
const { samples, skippedLines } = await foldPerfScript(readPieces(file));
const wallSeconds = (performance.now() - startedAt) / 1000;
const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
console.log(JSON.stringify({
  samples,
  skippedLines,
  sizeBytes,
  wallSeconds,
  // Those of the whole process, its start included.
  cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
  maxRssBytes: maxRSS * 1024,
}));
