/**
 * Puts off `close()` and `destroy()` of every HTTP/2 session to the next turn of the event loop.
 *
 * Works around denoland/deno#36788: on a GOAWAY frame Deno's `node:http2` ends the session inside
 * nghttp2's own callback and so frees what nghttp2 is still using; the program aborts with
 * `find_stream_on_goaway_func: Assertion 'stream->closed_next == NULL'` or with a segmentation
 * fault. It calls `close()` for a GOAWAY without an error and `destroy()` for one with an error,
 * which any peer can send. `tests/conformance` shows the crash without this module: when it no
 * longer does, this module can go.
 *
 * Import it before anything that makes a session. grpc-js looks `createServer` and `connect` up on
 * the module each time it calls them, so replacing them here is enough.
 *
 * @module
 */
import http2 from "node:http2";
import type { ClientHttp2Session, Http2Server, Http2Session } from "node:http2";

/** Makes `close()` and `destroy()` of a session take effect after the current callback. */
function deferEnd(session: Http2Session): void {
  const close = session.close.bind(session);
  session.close = (callback?: () => void) => {
    // Not left to `close`, which forgets the callback when an earlier call has closed the session
    // by then: grpc-js's `tryShutdown` would wait for it for ever.
    if (callback) session.once("close", callback);
    setImmediate(close);
  };
  const destroy = session.destroy.bind(session);
  session.destroy = (error?: Error, code?: number) => {
    setImmediate(() => destroy(error, code));
  };
}

const { createServer, connect } = http2;

http2.createServer = ((...args: Parameters<typeof createServer>): Http2Server => {
  const server = createServer(...args);
  server.on("session", deferEnd);
  return server;
}) as typeof createServer;

http2.connect = ((...args: Parameters<typeof connect>): ClientHttp2Session => {
  const session = connect(...args);
  deferEnd(session);
  return session;
}) as typeof connect;
