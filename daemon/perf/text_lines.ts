/** Longer lines are cut: what is read by line here is messages, not data. */
const MAX_LINE_LENGTH = 4096;

/** Cuts text into its lines, without their ends. */
export class TextLineStream extends TransformStream<string, string> {
  constructor() {
    let rest = "";
    super({
      transform(chunk, controller) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop()!.slice(0, MAX_LINE_LENGTH);
        for (const line of lines) controller.enqueue(line);
      },
      flush(controller) {
        if (rest) controller.enqueue(rest);
      },
    });
  }
}
