/**
 * What Deno takes with grpc-js and proto-loader loaded and nothing done with them.
 *
 * @module
 */
import "@grpc/grpc-js";
import "@grpc/proto-loader";

console.log("loaded");
setInterval(() => {}, 60_000);
