import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { ErrorCode, goaway } from "./http2/frames.ts";
import { GuardError, type GuardReason, Http2Guard } from "./http2/http2_guard.ts";
import type { RequestBudget } from "./http2/request_budget.ts";
import type { Turns } from "./turns.ts";

/** How much of what is sent may wait for the peer before nothing more is read from it. */
const MAX_UNSENT_BYTES = 256 << 10;

/** A peer that has not taken this much is not told why its connection ends. */
const MAX_UNSENT_BEFORE_REASON_BYTES = 1024;
/** How long it has to take the reason. */
const REASON_DEADLINE_MS = 1000;

const NOTHING = new Uint8Array(0);

/** Why a connection is ended while it is served; names in a metric. */
export type EndReason = GuardReason | "memory";

/** What to do for a connection. */
interface GuardedConnectionOptions {
  budget: RequestBudget;
  turns: Turns;
  /** Whether a call of a known caller is under way. */
  isHeld(): boolean;
  /** Is told of a connection that the guard has ended. */
  onEnded(reason: EndReason): void;
}

/**
 * A connection as HTTP/2 sees it: all that comes passes the guard first. Nothing is read from a
 * peer that does not take what it is sent, so that answers to frames that are cheap to make do not
 * pile up.
 */
export class GuardedConnection extends Duplex {
  // grpc-js and Deno's `node:http2` read these to name the peer.
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly #guard: Http2Guard;
  /** Whether the guard has something that others have their turn before. */
  #hasMore = false;
  /** Whether nothing comes from the peer any more. */
  hasEnded = false;
  /** Whether the peer is still told why: a socket that is destroyed sends nothing more. */
  #tellsWhy = false;

  constructor(
    private readonly socket: Socket,
    private readonly options: GuardedConnectionOptions,
  ) {
    super({ allowHalfOpen: false, writableHighWaterMark: MAX_UNSENT_BYTES });
    this.remoteAddress = socket.remoteAddress;
    this.remotePort = socket.remotePort;
    this.localAddress = socket.localAddress;
    this.localPort = socket.localPort;
    socket.setNoDelay();
    const account = options.budget.open({
      isHeld: options.isHeld,
      evict: () =>
        this.#end("memory", ErrorCode.ENHANCE_YOUR_CALM, "the daemon has too much to do"),
    });
    this.#guard = new Http2Guard(account);
    socket.on("data", (chunk: Uint8Array) => this.#onData(chunk));
    socket.on("end", () => {
      this.hasEnded = true;
      this.push(null);
    });
    socket.on("error", () => this.destroy());
    socket.on("close", () => this.destroy());
    this.once("close", () => account.close());
  }

  /**
   * Resolves when not too much of what was sent waits for the peer, or when the connection ends.
   */
  drained(): Promise<void> {
    if (!this.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const settle = () => {
        this.off("drain", settle);
        this.off("close", settle);
        resolve();
      };
      this.once("drain", settle);
      this.once("close", settle);
    });
  }

  override _read(): void {
    if (this.writableNeedDrain) this.once("drain", () => this._read());
    else if (this.#hasMore) this.options.turns.wait(() => this.#onData(NOTHING));
    else this.socket.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#guard.sent(chunk);
    if (this.socket.write(chunk)) done();
    else this.socket.once("drain", done);
  }

  override _final(done: () => void): void {
    this.socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.hasEnded = true;
    if (!this.#tellsWhy) this.socket.destroy();
    done(error);
  }

  #onData(chunk: Uint8Array): void {
    if (this.destroyed) return;
    try {
      const { passed, hasMore } = this.#guard.receive(chunk);
      this.#hasMore = hasMore;
      this.socket.pause();
      // Asks for more by `_read`.
      if (passed.length > 0) this.push(passed);
      else this._read();
    } catch (error) {
      if (!(error instanceof GuardError)) throw error;
      this.#end(error.reason, error.errorCode, error.message);
    }
  }

  #end(reason: EndReason, errorCode: number, words: string): void {
    if (this.destroyed) return;
    this.options.onEnded(reason);
    this.#tellsWhy = this.socket.writableLength < MAX_UNSENT_BEFORE_REASON_BYTES;
    if (this.#tellsWhy) this.#tellWhy(goaway(errorCode, words));
    this.destroy();
  }

  /** Sends the peer the last it gets, and destroys the socket when that is sent, not before. */
  #tellWhy(lastFrame: Uint8Array): void {
    const hangUp = () => this.socket.destroy();
    const timer = setTimeout(hangUp, REASON_DEADLINE_MS);
    this.socket.once("close", () => clearTimeout(timer));
    this.socket.pause();
    this.socket.write(lastFrame, hangUp);
  }
}
