/** Gives up a conversion that goes on for too long after the sampling has ended. */
export class ConversionTimer {
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `giveUp` is called when it has gone on for `seconds`. */
  constructor(private readonly seconds: number, private readonly giveUp: () => void) {}

  /**
   * The sampling ends in so many milliseconds at the latest; what was said before does not count.
   */
  samplingEndsIn(milliseconds: number): void {
    this.end();
    this.#timer = setTimeout(this.giveUp, milliseconds + this.seconds * 1000);
  }

  /** The conversion has ended. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
