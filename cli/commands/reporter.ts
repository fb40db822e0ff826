import { createDisplay, type Followed } from "../terminal/display.ts";
import type { RecordingEvent } from "../client/recording/recording_event.ts";
import { findTerminal } from "../terminal/terminal.ts";
import { logError, logLine, printJson, printPath } from "../terminal/console.ts";

/** Where a command's messages and results go. */
export interface Reporter extends Disposable {
  /** Prints the path of a result on standard output. */
  printPath(path: string): void;
  /** Prints a value as JSON on standard output. */
  printJson(value: unknown): void;
  /** Logs what `--quiet` does not silence. */
  error(text: string): void;
  /** Logs the rest, if there is a text. */
  info(text?: string): void;
  /** As `info`, without the program's name in front: for the lines of a table. */
  line(line: string): void;
  /** How long a line may be; there on a terminal only. */
  readonly columns?: number;
  /**
   * Shows a recording, or a download, while it runs: by a line of its own that moves, or in the
   * words of `describe`. Several can be shown at once; `name` distinguishes them.
   */
  follow(
    name: string,
    describe: (event: RecordingEvent) => string | undefined,
    durationSeconds?: number,
  ): Followed;
}

/** Events that moving lines show, so that they need no message. */
const SHOWN: RecordingEvent["kind"][] = ["queued", "stopping", "converting"];

/** Opens a reporter. Its lines move on a terminal, unless the result goes to standard output. */
export function openReporter(
  { quiet, outputDirectory }: { quiet: boolean; outputDirectory: string },
): Reporter {
  // The reader of the result may use the terminal itself, as a pager does.
  const terminal = quiet || outputDirectory === "-" ? undefined : findTerminal();
  const display = createDisplay(terminal);
  const reporter: Reporter = {
    printPath: (path) => display.above(() => printPath(path)),
    printJson: (value) => display.above(() => printJson(value)),
    error: (text) => display.above(() => logError(text)),
    info(text) {
      if (!quiet && text !== undefined) reporter.error(text);
    },
    line(line) {
      if (!quiet) display.above(() => logLine(line));
    },
    columns: terminal?.size().columns,
    follow(name, describe, durationSeconds) {
      const line = display.follow(name, durationSeconds);
      return {
        onEvent(event) {
          line.onEvent(event);
          if (!display.live || !SHOWN.includes(event.kind)) reporter.info(describe(event));
        },
        [Symbol.dispose]: () => line[Symbol.dispose](),
      };
    },
    [Symbol.dispose]: () => display[Symbol.dispose](),
  };
  return reporter;
}
