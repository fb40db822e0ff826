/**
 * Folds a perf script's text once, in a process of its own, and prints what it found as JSON:
 *
 *     deno run -A bench/fold.ts FILE
 *
 * It imports nothing else: what the process takes is what folding takes.
 *
 * @module
 */
import { foldPerfScript } from "../cli/script/fold.ts";
import { readPieces } from "../cli/script/read_pieces.ts";

using file = await Deno.open(Deno.args[0]);
const { samples, skippedLines, events } = await foldPerfScript(readPieces(file));
const stacks = events.reduce((sum, { stacks }) => sum + stacks.length, 0);
console.log(JSON.stringify({ samples, skippedLines, stacks }));
