/**
 * Has HTTP/2 servers advertise to clients how large a header list may be, which grpc-js has no
 * option for: a client that heeds it fails the call and keeps the connection, where the guard would
 * end that.
 *
 * @module
 */
import http2 from "node:http2";
import type { ServerOptions } from "node:http2";
import { HEADER_LIST_LIMITS } from "./http2_guard.ts";

const { createServer } = http2;

http2.createServer = ((options: ServerOptions, ...rest: []) =>
  createServer({
    ...options,
    settings: { ...options.settings, maxHeaderListSize: HEADER_LIST_LIMITS.maxSizeBytes },
  }, ...rest)) as typeof createServer;
