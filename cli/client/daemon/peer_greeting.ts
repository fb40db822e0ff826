import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { splitAddress } from "../cluster/address.ts";
import { escapeControls } from "../../escape_controls.ts";

/** What an HTTP/2 client says first (RFC 9113, section 3.4), and an empty SETTINGS frame. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");

/** As much of an answer as its kind can be told by. */
const MAX_BYTES = 256;

/** How long is waited for it, in milliseconds. */
const PATIENCE_MS = 1000;

/** What answers at an address: `tls` and `http2` are what daemons speak. */
export type Peer = { kind: "tls" | "http2" } | { kind: "other"; description: string };

/**
 * Finds out what answers at `host:port`, by greeting it as an HTTP/2 client without TLS does.
 * Nothing of a caller is sent. Undefined when nothing is answered. Never rejects.
 */
export async function recognizePeer(address: string): Promise<Peer | undefined> {
  const answer = await greet(address);
  return answer.length === 0 ? undefined : describeGreeting(answer);
}

function greet(address: string): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  return new Promise((resolve) => {
    const socket = connect(splitAddress(address));
    const end = () => {
      socket.destroy();
      resolve(Buffer.concat(chunks).subarray(0, MAX_BYTES));
    };
    const timer = setTimeout(end, PATIENCE_MS);
    socket.on("connect", () => socket.write(PREFACE));
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      // The kind of all that is known is told by the first line.
      if (length >= 9) end();
    });
    socket.on("error", end);
    socket.on("close", () => {
      clearTimeout(timer);
      end();
    });
  });
}

/** Says what sends this first. */
function describeGreeting(answer: Uint8Array): Peer {
  const text = new TextDecoder("latin1").decode(answer);
  const [line] = text.split(/\r?\n/, 1);
  const shown = escapeControls(line.slice(0, 80));
  // An alert, as TLS servers answer what is not TLS: RFC 8446, section 5.1.
  if (answer[0] === 21 && answer[1] === 3) return { kind: "tls" };
  // A SETTINGS frame of stream 0: RFC 9113, section 3.4.
  if (answer[3] === 4 && answer[4] <= 1 && text.slice(5, 9) === "\0\0\0\0") {
    return { kind: "http2" };
  }
  if (/^HTTP\/[\d.]+ /.test(text)) {
    return { kind: "other", description: `a web server or a proxy for HTTP/1 (${shown})` };
  }
  if (/^SSH-/.test(text)) return { kind: "other", description: `an SSH server (${shown})` };
  return { kind: "other", description: `something that says "${shown}"` };
}
