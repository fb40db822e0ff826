/**
 * Gives those turns, one after the other, who have more to do than is fair, and leaves the program
 * as much time for everything else as each of them takes.
 *
 * Not by `setImmediate`, nor by timers alone: as long as Deno (2.9.6) has callbacks to run it
 * hardly looks at its sockets, and nobody else is served. It does while it waits.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #isRunning = false;

  /** Calls back when it is this one's turn. */
  wait(turn: () => void): void {
    this.#waiting.push(turn);
    if (!this.#isRunning) this.#rest(0);
  }

  #rest(milliseconds: number): void {
    this.#isRunning = true;
    setTimeout(() => this.#run(), Math.max(1, milliseconds));
  }

  #run(): void {
    const turn = this.#waiting.shift();
    this.#isRunning = turn !== undefined;
    if (!turn) return;
    const startedAt = performance.now();
    turn();
    // Fires when what the turn has started is done as well.
    setTimeout(() => this.#rest(performance.now() - startedAt), 0);
  }
}
