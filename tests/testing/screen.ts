import xterm from "@xterm/headless";

/** What a terminal shows of what is written to it: xterm.js, without a window. */
interface Screen {
  write(text: string): Promise<void>;
  resize(columns: number, rows: number): void;
  /** All lines from the first that scrolled away to the last that is not empty. */
  lines(): string[];
}

export function createScreen(columns: number, rows: number): Screen {
  const terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
  return {
    write: (text) => new Promise((resolve) => terminal.write(text, resolve)),
    resize: (columns, rows) => terminal.resize(columns, rows),
    lines() {
      const { active } = terminal.buffer;
      const lines = Array.from(
        { length: active.length },
        (_, at) => active.getLine(at)!.translateToString(true),
      );
      return lines.slice(0, lines.findLastIndex((line) => line !== "") + 1);
    },
  };
}
