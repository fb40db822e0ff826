import { COMM_RECORD_END, isExtraLine } from "../../../cli/script/extra_line.ts";
import {
  parseCopiedFrame,
  parseFrame,
  parseOnlyFrame,
  toFrame,
} from "../../../cli/script/frame_line.ts";
import { BEFORE_NAME, type Header, parseHeader } from "../../../cli/script/header.ts";
import type { SampleFrame } from "../../../cli/script/sample.ts";
import type {
  EventProfile,
  Frame,
  LeftOut,
  StackProfile,
} from "../../../cli/script/stack_profile.ts";

interface PlainSample {
  header: Header;
  frames: SampleFrame[];
}

/**
 * What `foldPerfScript` has to return, by parsing each line of the whole text as a string and
 * looking for everything in all that was found before. Without `durationSeconds`, which has tests
 * of its own.
 */
export function plainFold(bytes: Uint8Array): StackProfile {
  const { samples, ...summary } = plainRead(new TextDecoder().decode(bytes));
  const frames: Frame[] = [];
  const events: EventProfile[] = [];
  const profile: StackProfile = { frames, events, samples: samples.length, ...summary };
  for (const { header, frames: leafFirst } of samples) {
    const { thread: { command }, event: name, timeSeconds } = header;
    const period = Number(header.period ?? 1);
    const ids = leafFirst.map(toFrame).map((frame) => {
      const id = frames.findIndex((other) =>
        frame.symbol === other.symbol && frame.dso === other.dso && frame.kernel === other.kernel
      );
      return id === -1 ? frames.push(frame) - 1 : id;
    }).reverse();
    let event = events.find(({ event }) => event === name);
    if (!event) events.push(event = { event: name, stacks: [], samples: 0, weight: 0 });
    let stack = event.stacks.find((stack) =>
      stack.command === command && stack.frames.join() === ids.join()
    );
    if (!stack) {
      stack = { command, frames: Uint32Array.from(ids), samples: 0, weight: 0 };
      event.stacks.push(stack);
    }
    for (const counts of [stack, event]) {
      counts.samples++;
      const exact = (counts.exactWeight ?? BigInt(counts.weight)) + BigInt(header.period ?? 1);
      counts.weight = counts.exactWeight ? Number(exact) : counts.weight + period;
      if (exact > Number.MAX_SAFE_INTEGER) {
        counts.exactWeight = exact;
        counts.weight = Number(exact);
      }
    }
    if (timeSeconds === undefined) continue;
    profile.startSeconds = Math.min(profile.startSeconds ?? Infinity, timeSeconds);
    profile.endSeconds = Math.max(profile.endSeconds ?? -Infinity, timeSeconds);
  }
  return profile;
}

/** Reads a text line by line, knowing nothing of the lines before but what they are. */
function plainRead(text: string) {
  const samples: PlainSample[] = [];
  const leftOut: LeftOut[] = [];
  let skippedLines = 0;
  let open: (PlainSample & { onlyFrame?: SampleFrame }) | undefined;
  let weak: Header | undefined;
  let within = "nothing";
  let hasStacks = false;
  let hasTabs = false;
  let hasFiles = false;
  let samplesOfPart = 0;
  const leaveOut = (kind: LeftOut["kind"], line: number) => {
    skippedLines++;
    const before = leftOut.find((each) => each.kind === kind);
    if (before) before.lines++;
    else leftOut.push({ kind, lines: 1, firstLine: line });
  };
  const nameless = (): Header => ({ thread: { command: "" }, event: "", rest: "" });
  const end = () => {
    if (!open) return;
    const { header, frames, onlyFrame } = open;
    samples.push({ header, frames: frames.length === 0 && onlyFrame ? [onlyFrame] : frames });
    samplesOfPart++;
    open = undefined;
  };

  let name: string[] = [];
  const dropHeld = (number: number) => {
    if (within === "weak") {
      leaveOut("unknown line", number - 1);
      within = "unknown";
    }
    if (name.length === 0) return;
    for (const [index] of name.entries()) leaveOut("unknown line", number - name.length + index);
    name = [];
    if (within !== "sample") within = "unknown";
  };

  const other = (line: string, number: number) => {
    if (within === "weak") dropHeld(number);
    const indented = line.startsWith(" ");
    const header = parseHeader(line);
    const isBesideStack = typeof header === "object" && header.timeSeconds === undefined && open &&
      (header.needsFrame && open.frames.length > 0 || indented && isExtraLine(line));
    const isHeader = header && !isBesideStack;
    if (isHeader) {
      end();
      if (header === "other record") {
        skippedLines += 1 + name.length;
        name = [];
        within = "record";
        return;
      }
      const onlyFrame = header.rest ? parseOnlyFrame(header.rest) : undefined;
      if (header.needsFrame && !onlyFrame) {
        dropHeld(number);
        weak = header;
        within = "weak";
        return;
      }
      const command = [...name, header.thread.command].join("\n");
      if (command.length > 15) dropHeld(number);
      else {
        skippedLines += name.length;
        name = [];
        header.thread = { ...header.thread, command };
      }
      if (onlyFrame?.dso) hasFiles = true;
      open = { header, frames: [], onlyFrame };
      within = "sample";
      return;
    }
    const isBeside = within === "sample" || within === "record" || samplesOfPart > 0;
    const frame = indented && !hasTabs ? parseCopiedFrame(line) : undefined;
    if (frame) {
      if (name.length > 0) dropHeld(number);
      if (within === "unknown" || within === "comment") {
        return leaveOut("stack without a sample", number);
      }
      open ??= { header: nameless(), frames: [] };
      open.frames.push(frame);
      hasStacks = true;
      within = "sample";
    } else if (within === "record" && COMM_RECORD_END.test(line)) skippedLines++;
    else if (isBeside && isExtraLine(line)) skippedLines++;
    else if ([...name, line.replace(BEFORE_NAME, ""), ""].join("\n").length <= 15) {
      name.push(line.replace(BEFORE_NAME, ""));
    } else {
      dropHeld(number);
      leaveOut("unknown line", number);
      if (within !== "sample") within = "unknown";
    }
  };

  const read = (line: string, number: number) => {
    if (line === "") {
      dropHeld(number);
      end();
      within = "nothing";
    } else if (line.startsWith("#")) {
      if (name.length > 0) dropHeld(number);
      if (within !== "sample" || open?.frames.length === 0) {
        end();
        within = "comment";
      }
      if (line.startsWith("# ========")) {
        end();
        samplesOfPart = 0;
        within = "comment";
      }
    } else if (!line.startsWith("\t")) other(line, number);
    else if (within === "record" && name.length === 0) skippedLines++;
    else {
      if (name.length > 0) dropHeld(number);
      const frame = parseFrame(line);
      const header = frame && !line.endsWith(")") ? parseHeader(line) : undefined;
      const isFrame = frame && !(typeof header === "object" && header.timeSeconds !== undefined);
      if (within === "comment" || within === "unknown") {
        if (frame) leaveOut("stack without a sample", number);
        else other(line, number);
      } else if (!isFrame) other(line, number);
      else {
        if (line.endsWith(")")) hasFiles = true;
        if (!open) open = { header: within === "weak" ? weak! : nameless(), frames: [] };
        hasTabs = hasStacks = true;
        open.frames.push(frame);
        within = "sample";
      }
    }
  };

  const lines = text.split("\n");
  const last = lines.pop()!;
  for (const [index, line] of lines.entries()) read(line.replace(/\r$/, ""), index + 1);
  let truncated = false;
  if (last !== "") {
    truncated = !last.startsWith("\t") && hasStacks || !last.trimEnd().endsWith(")") && hasFiles;
    if (!truncated) read(last.replace(/\r$/, ""), lines.length + 1);
    else if (last.startsWith("\t")) open = undefined;
  }
  dropHeld(lines.length + (last === "" || truncated ? 1 : 2));
  if (open && open.frames.length === 0 && !open.onlyFrame && hasStacks) {
    truncated = true;
    open = undefined;
  }
  end();
  return { samples, skippedLines, truncated, leftOut };
}
