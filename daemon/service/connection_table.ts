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
  /** Whether there has been such a call. */
  isIdentified: boolean;
}

/**
 * Bounds the connections. For one beyond the bound another one goes that has no call of a known
 * caller under way. As long as there are connections on which no caller was ever known it is one of
 * these, from the address that has most of them: who says nothing, or nothing of who they are,
 * takes no place from those who do, and has no more of the places left than others. Of those the
 * connection goes that has been idle for the longest.
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
    const entry = { socket, holds: 0, isIdentified: false };
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
    entry.isIdentified = true;
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

  /** Whether a call of a known caller is under way on a peer's connection. */
  isHeld(peer: string): boolean {
    return (this.#entries.get(peer)?.holds ?? 0) > 0;
  }

  #makePlace(): boolean {
    const found = this.#findUnidentified() ?? this.#findIdle();
    if (!found) return false;
    const [peer, { socket }] = found;
    this.#entries.delete(peer);
    this.onRefused();
    socket.destroy();
    return true;
  }

  /** Of the address that has the most connections on which no caller was ever known, the oldest. */
  #findUnidentified(): [string, Entry] | undefined {
    const byAddress = new Map<string | undefined, [string, Entry][]>();
    for (const [peer, entry] of this.#entries) {
      if (entry.isIdentified) continue;
      const { remoteAddress } = entry.socket;
      const others = byAddress.get(remoteAddress);
      if (others) others.push([peer, entry]);
      else byAddress.set(remoteAddress, [[peer, entry]]);
    }
    let most: [string, Entry][] = [];
    for (const entries of byAddress.values()) if (entries.length > most.length) most = entries;
    return most[0];
  }

  #findIdle(): [string, Entry] | undefined {
    for (const entry of this.#entries) if (entry[1].holds === 0) return entry;
  }
}

/** The name that grpc-js gives a call's peer. */
export function peerOf(
  { remoteAddress, remotePort }: Omit<TableSocket, "destroy" | "once">,
): string {
  return `${remoteAddress}:${remotePort}`;
}
