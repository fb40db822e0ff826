import { escapeControls } from "../escape_controls.ts";
import { createLiveLines, type Terminal } from "./live_lines.ts";
import { createProgressLine, type ProgressLine } from "./progress_line.ts";
import type { RecordingEvent } from "../client/recording/recording_event.ts";

/** What the user sees of recordings while they run: moving lines on a terminal, else nothing. */
interface Display extends Disposable {
  /** Whether there are moving lines. */
  readonly live: boolean;
  /** Prints whole lines, above those that move. */
  above(print: () => void): void;
  /**
   * Shows a recording, or a download, until it is disposed of. `name` distinguishes it from the
   * others.
   */
  follow(name: string, durationSeconds?: number): Followed;
}

/** A recording that is shown. */
export interface Followed extends Disposable {
  onEvent(event: RecordingEvent): void;
}

const REDRAW_MS = 100;

/**
 * Makes a display. Without a terminal nothing moves, and no control codes are written; see
 * {@linkcode findTerminal}.
 */
export function createDisplay(terminal?: Terminal): Display {
  if (!terminal) return STILL;
  const lines = createLiveLines(terminal);
  const shown: { name: string; line: ProgressLine }[] = [];
  const draw = () => lines.show(layOut(shown, terminal.size().columns));
  const timer = setInterval(draw, REDRAW_MS);
  return {
    live: true,
    above: (print) => lines.above(print),
    follow(name, durationSeconds) {
      const followed = { name: escapeControls(name), line: createProgressLine(durationSeconds) };
      shown.push(followed);
      draw();
      return {
        onEvent(event) {
          followed.line.onEvent(event);
        },
        [Symbol.dispose]() {
          const at = shown.indexOf(followed);
          if (at === -1) return;
          shown.splice(at, 1);
          draw();
        },
      };
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      lines[Symbol.dispose]();
    },
  };
}

/** Names first, in a column of their own. */
function layOut(shown: { name: string; line: ProgressLine }[], columns: number): string[] {
  const width = Math.min(Math.max(...shown.map(({ name }) => name.length)), columns >> 1);
  return shown.map(({ name, line }) => {
    const start = `${name.slice(0, width).padEnd(width)}  `;
    return start + line.render(columns - 1 - start.length);
  });
}

const STILL: Display = {
  live: false,
  above: (print) => print(),
  follow: () => ({ onEvent() {}, [Symbol.dispose]() {} }),
  [Symbol.dispose]() {},
};
