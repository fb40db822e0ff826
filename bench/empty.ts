/**
 * What Deno takes with no program.
 *
 * @module
 */
console.log("loaded");
setInterval(() => {}, 60_000);
