/** How long the caller of a recording whose connection was lost has to come back for it. */
export const COME_BACK_SECONDS = 10;

/** Gives a recording up whose caller is lost, unless somebody comes back for its result in time. */
export class AbandonmentTimer {
  #isLost = false;
  #readers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly giveUp: () => void,
    private readonly milliseconds = COME_BACK_SECONDS * 1000,
  ) {}

  /** The connection of the call that asked for the recording was lost. */
  lost(): void {
    this.#isLost = true;
    this.#set();
  }

  /** The caller reads the result from now on, until what this returns is called. */
  read(): () => void {
    this.#readers++;
    this.#set();
    return () => {
      this.#readers--;
      this.#set();
    };
  }

  /** Gives nothing up any more. */
  end(): void {
    this.#isLost = false;
    this.#set();
  }

  #set(): void {
    clearTimeout(this.#timer);
    if (this.#isLost && this.#readers === 0) {
      this.#timer = setTimeout(this.giveUp, this.milliseconds);
    }
  }
}
