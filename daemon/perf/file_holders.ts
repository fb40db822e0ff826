/** More files than a container usually maps: what comes beyond is not kept. */
const MAX_FILES = 4096;
/** Processes that are kept for each file: long-lived ones come first. */
const MAX_HOLDERS = 4;

/** Knows for each mapped file a few processes that have mapped it and not ended. */
export class FileHolders {
  readonly #holders = new Map<string, number[]>();
  readonly #files = new Map<number, Set<string>>();

  /**
   * Takes note that a process has mapped a file, which `file` identifies. Returns the first other
   * process that has, and that has not ended since.
   */
  mapped(file: string, pid: number): number | undefined {
    let holders = this.#holders.get(file);
    if (!holders) {
      if (this.#holders.size >= MAX_FILES) return undefined;
      this.#holders.set(file, holders = []);
    }
    const other = holders.find((holder) => holder !== pid);
    if (!holders.includes(pid) && holders.length < MAX_HOLDERS) {
      holders.push(pid);
      const files = this.#files.get(pid) ?? new Set();
      this.#files.set(pid, files.add(file));
    }
    return other;
  }

  /** A process has ended, or has become another program. */
  forget(pid: number): void {
    for (const file of this.#files.get(pid) ?? []) {
      const holders = this.#holders.get(file)!.filter((holder) => holder !== pid);
      if (holders.length > 0) this.#holders.set(file, holders);
      else this.#holders.delete(file);
    }
    this.#files.delete(pid);
  }
}
