/** What one thing that the daemon needs says of itself. */
export interface Check {
  name: string;
  /** Rejects with words for an administrator when the thing does not work. */
  run(): Promise<void>;
}

/** What came of the checks. */
export interface Readiness {
  ready: boolean;
  /** A line a check, as Kubernetes' own `/readyz?verbose` prints them, and one a warning. */
  report: string;
}

/** How long the outcome of the checks stands, so that asking often costs nothing. */
const VALID_MS = 10_000;

/** Finds out whether the daemon can do its work. */
export class ReadinessProbe {
  readonly #failures = new Map<string, string>();
  #checkedAt = -Infinity;
  #running: Promise<void> | undefined;
  readonly #warnings: string[] = [];

  constructor(private readonly checks: Check[]) {}

  /** Adds something to read for people that does not make the daemon unready. */
  warn(warning: string): void {
    this.#warnings.push(warning);
  }

  /** Whether a check passed when it was last run. */
  passed(name: string): boolean {
    return this.#checkedAt >= 0 && !this.#failures.has(name);
  }

  /** Has the checks run again when they are next asked for. */
  invalidate(): void {
    this.#checkedAt = -Infinity;
  }

  /** Runs the checks, unless that was done moments ago. */
  async get(): Promise<Readiness> {
    if (performance.now() - this.#checkedAt > VALID_MS) {
      this.#running ??= this.#check().finally(() => this.#running = undefined);
      await this.#running;
    }
    const lines = this.checks.map(({ name }) => {
      const failure = this.#failures.get(name);
      return failure === undefined ? `[+]${name} ok` : `[-]${name} failed: ${failure}`;
    });
    lines.push(...this.#warnings.map((warning) => `[!]${warning}`));
    return { ready: this.#failures.size === 0, report: lines.join("\n") + "\n" };
  }

  async #check(): Promise<void> {
    await Promise.all(this.checks.map(async ({ name, run }) => {
      try {
        await run();
        this.#failures.delete(name);
      } catch (error) {
        this.#failures.set(name, (error as Error).message);
      }
    }));
    this.#checkedAt = performance.now();
  }
}
