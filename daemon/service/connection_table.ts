import type { Socket } from "node:net";

/** A socket, as far as the table needs one. */
export type TableSocket = Pick<
  Socket,
  "remoteAddress" | "remotePort" | "destroy" | "once"
>;

interface Entry {
  socket: TableSocket;
  /** Calls of known callers that are under way. */
  holds: number;
}

/**
 * Bounds the connections. For one beyond the bound, the one that has been idle for the longest goes;
 * idle is one without a call whose caller is known, so that who says nothing, or nothing of who they
 * are, takes no place from those who do.
 */
export class ConnectionTable {
  /** By address and port of the peer, those that have been idle for the longest first. */
  readonly #entries = new Map<string, Entry>();

  /** `onRefused` is called for each connection that has to go, or may not come. */
  constructor(private readonly maxConnections: number, private readonly onRefused: () => void) {}

  /** How many connections there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** Takes a connection in. Answers false, and ends it, when there is no place for it. */
  add(socket: TableSocket): boolean {
    if (this.#entries.size >= this.maxConnections && !this.#makePlace()) {
      this.onRefused();
      socket.destroy();
      return false;
    }
    const peer = peerOf(socket);
    const entry = { socket, holds: 0 };
    this.#entries.set(peer, entry);
    socket.once("close", () => {
      // The same peer may be back by then.
      if (this.#entries.get(peer) === entry) this.#entries.delete(peer);
    });
    return true;
  }

  /** Keeps a peer's connection until what this returns is called. */
  hold(peer: string): () => void {
    const entry = this.#entries.get(peer);
    if (!entry) return () => {};
    entry.holds++;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      entry.holds--;
      if (this.#entries.get(peer) !== entry) return;
      this.#entries.delete(peer);
      this.#entries.set(peer, entry);
    };
  }

  #makePlace(): boolean {
    for (const [peer, { socket, holds }] of this.#entries) {
      if (holds > 0) continue;
      this.#entries.delete(peer);
      this.onRefused();
      socket.destroy();
      return true;
    }
    return false;
  }
}

/** The name by which grpc-js tells a call's peer. */
export function peerOf({ remoteAddress, remotePort }: TableSocket): string {
  return `${remoteAddress}:${remotePort}`;
}
