import { createDisplay, type Followed } from "../terminal/display.ts";
import type { RecordingEvent } from "../client/recording/recording_event.ts";
import { findTerminal } from "../terminal/terminal.ts";
import { say } from "../terminal/console.ts";

/** Where a command's words go. */
export interface Reporter extends Disposable {
  /** Prints a result's path, or what else a script would want, on standard output. */
  print(text: string): void;
  /** Says what also those hear who want to hear nothing but errors. */
  say(text: string): void;
  /** Says the rest; nothing when there is nothing to say. */
  tell(text?: string): void;
  /** As `tell`, without the program's name in front: for the lines of a table. */
  show(line: string): void;
  /** How long a line may be; there on a terminal only. */
  readonly columns?: number;
  /**
   * Shows a recording, or a download, while it runs: by a line of its own that moves, or in the words
   * of `describe`. Several can be shown at once; `name` tells one from the others.
   */
  follow(
    name: string,
    describe: (event: RecordingEvent) => string | undefined,
    durationSeconds?: number,
  ): Followed;
}

/** What moving lines show of, so that nothing else has to be said. */
const SHOWN: RecordingEvent["kind"][] = ["queued", "stopping", "converting"];

/** Opens a reporter. Its lines move on a terminal, unless the result goes to standard output. */
export function openReporter(
  { quiet, outputDirectory }: { quiet: boolean; outputDirectory: string },
): Reporter {
  // What reads the result may have the terminal for itself, such as a pager.
  const terminal = quiet || outputDirectory === "-" ? undefined : findTerminal();
  const display = createDisplay(terminal);
  const reporter: Reporter = {
    print: (text) => display.above(() => console.log(text)),
    say: (text) => display.above(() => say(text)),
    tell(text) {
      if (!quiet && text !== undefined) reporter.say(text);
    },
    show(line) {
      if (!quiet) display.above(() => console.error(line));
    },
    columns: terminal?.size().columns,
    follow(name, describe, durationSeconds) {
      const line = display.follow(name, durationSeconds);
      return {
        onEvent(event) {
          line.onEvent(event);
          if (!display.live || !SHOWN.includes(event.kind)) reporter.tell(describe(event));
        },
        [Symbol.dispose]: () => line[Symbol.dispose](),
      };
    },
    [Symbol.dispose]: () => display[Symbol.dispose](),
  };
  return reporter;
}
