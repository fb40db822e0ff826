/**
 * Puts off `close()` of every HTTP/2 session to the next turn of the event loop.
 *
 * Works around denoland/deno#36788: on a GOAWAY frame Deno's `node:http2` calls `session.close()`
 * inside nghttp2's own callback and so frees what nghttp2 is still using; the program aborts with
 * `find_stream_on_goaway_func: Assertion 'stream->closed_next == NULL'`. `tests/conformance`
 * shows the crash without this module: when it no longer does, this module can go.
 *
 * Import it before anything that makes a session. grpc-js looks `createServer` and `connect` up on
 * the module each time it calls them, so replacing them here is enough.
 *
 * @module
 */
import http2 from "node:http2";
import type { ClientHttp2Session, Http2Server, Http2Session } from "node:http2";

/** Makes `session.close()` take effect after the current callback, unless it is destroyed by then. */
function deferClose(session: Http2Session): void {
  const close = session.close.bind(session);
  session.close = (callback?: () => void) => {
    setImmediate(() => {
      if (!session.destroyed) close(callback);
      else callback?.();
    });
  };
}

const { createServer, connect } = http2;

http2.createServer = ((...args: Parameters<typeof createServer>): Http2Server => {
  const server = createServer(...args);
  server.on("session", deferClose);
  return server;
}) as typeof createServer;

http2.connect = ((...args: Parameters<typeof connect>): ClientHttp2Session => {
  const session = connect(...args);
  deferClose(session);
  return session;
}) as typeof connect;
