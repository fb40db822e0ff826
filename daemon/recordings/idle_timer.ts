/** Calls `act` whenever nothing was heard for `silenceMs`, again and again until it is ended. */
export class IdleTimer {
  #heardAt: number;
  #timer: ReturnType<typeof setTimeout>;

  constructor(
    private readonly silenceMs: number,
    private readonly act: () => void,
    private readonly now = () => performance.now(),
  ) {
    this.#heardAt = now();
    this.#timer = setTimeout(() => this.#look(), silenceMs);
  }

  /** Something was heard. */
  heard(): void {
    this.#heardAt = this.now();
  }

  /** Calls nothing any more. */
  end(): void {
    clearTimeout(this.#timer);
  }

  /**
   * Looks when the silence would be long enough: cheaper than a timer anew for all that is heard.
   */
  #look(): void {
    const now = this.now();
    if (now - this.#heardAt >= this.silenceMs) {
      this.#heardAt = now;
      this.act();
    }
    this.#timer = setTimeout(() => this.#look(), this.silenceMs - (now - this.#heardAt));
  }
}
