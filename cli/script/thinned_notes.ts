import type { ScriptSummary } from "./stack_profile.ts";
import { THINNED } from "./time_events.ts";

/** Collects what a text's notes say to people about how it was thinned. */
interface ThinnedNotes {
  /** Adds a note, without the words that all notes start with. */
  add(note: string): void;
  /** Each different sentence once, if there is one. */
  found(): Pick<ScriptSummary, "thinned">;
}

/** A text that was put together has one of each machine; nobody reads more. */
const MAX_NOTES = 8;
const MAX_LENGTH = 300;

export function createThinnedNotes(): ThinnedNotes {
  const sentences = new Set<string>();
  return {
    add(note) {
      if (!note.startsWith(THINNED) || sentences.size === MAX_NOTES) return;
      sentences.add(note.slice(THINNED.length, THINNED.length + MAX_LENGTH).trim());
    },
    found: () => sentences.size > 0 ? { thinned: [...sentences] } : {},
  };
}
