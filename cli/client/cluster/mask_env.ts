/**
 * Lets libraries see the environment names that this program may not read as not set.
 *
 * `debug`, which `socks-proxy-agent` loads, lists the whole environment and deletes from it when it
 * is imported, and Deno throws `NotCapable` for that unless a program may use all of it. When the
 * client runs behind a SOCKS proxy without this import, it is no longer needed.
 *
 * Import it before the library.
 *
 * @module
 */
import process from "node:process";

const env = process.env;

// Writes stay in the empty object before the environment, which is all that is ever listed.
process.env = new Proxy<Record<string, string | undefined>>({}, {
  get(written, name) {
    if (typeof name === "symbol" || name in written) return Reflect.get(written, name);
    try {
      return env[name];
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) return undefined;
      throw error;
    }
  },
});
