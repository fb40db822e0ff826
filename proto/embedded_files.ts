/**
 * Lets `fs.accessSync` find the files that are embedded in a compiled program.
 *
 * proto-loader asks `accessSync(path, R_OK)` before it reads a `.proto` file. Deno answers by the
 * file's owner and mode: that takes the `--allow-sys=uid` permission, and embedded files have no
 * mode, so it says `EACCES` for a file that can be read. Seen on Deno 2.4.2 to 2.9.6. When a
 * compiled daemon starts without this import, it is no longer needed.
 *
 * @module
 */
import fs from "node:fs";

fs.accessSync = (path) => {
  fs.statSync(path);
};
