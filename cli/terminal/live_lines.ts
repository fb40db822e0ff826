/** Where lines can move: a terminal. */
export interface Terminal {
  write(text: string): void;
  /** What it shows at once, now: people resize it. */
  size(): { columns: number; rows: number };
}

/** Lines at the end of what a terminal shows, which move; what is printed goes above them. */
interface LiveLines extends Disposable {
  /** Shows these in the place of those that are there; none takes them away. */
  show(lines: string[]): void;
  /** Takes the lines away for as long as `print` writes whole lines to the terminal. */
  above(print: () => void): void;
}

const ERASE_LINE = "\x1b[K";
const ERASE_BELOW = "\x1b[J";

/**
 * Makes moving lines for a terminal. They have no more columns and rows than it shows.
 *
 * Between two calls the cursor is where the first line starts, so that nothing above it is erased
 * when the terminal is resized, whether that breaks lines anew or cuts them. Of several lines that
 * are broken anew, some terminals keep pieces.
 *
 * Of the libraries for it, log-update wants environment names that this program has no permission
 * for and breaks long lines in two, and cli-progress has bars only, takes 50 ms to load, and counts
 * on the size that the terminal had before.
 */
export function createLiveLines({ write, size }: Terminal): LiveLines {
  let shown: string[] = [];
  let drawn = "";
  const draw = () => {
    const { columns, rows } = size();
    // In the last column some terminals break the line already, and the last row is the cursor's.
    const fitting = shown.slice(0, Math.max(1, rows - 1))
      .map((line) => line.slice(0, columns - 1) + ERASE_LINE);
    if (fitting.length < shown.length) {
      const hidden = shown.length - fitting.length + 1;
      fitting[fitting.length - 1] = `and ${hidden} more`.slice(0, columns - 1) + ERASE_LINE;
    }
    const up = fitting.length > 1 ? `\x1b[${fitting.length - 1}A` : "";
    const text = `\r${fitting.join("\n")}${ERASE_BELOW}${up}\r`;
    if (text !== drawn) write(drawn = text);
  };
  const erase = () => {
    if (drawn !== "") write(`\r${ERASE_BELOW}`);
    drawn = "";
  };
  return {
    show(lines) {
      if (lines.length === 0) erase();
      shown = lines;
      if (lines.length > 0) draw();
    },
    above(print) {
      erase();
      print();
      if (shown.length > 0) draw();
    },
    [Symbol.dispose]() {
      erase();
      shown = [];
    },
  };
}
