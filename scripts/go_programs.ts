import { join } from "node:path";

/**
 * Where the programs are that `scripts/setup.ts` has Go build: where tools keep what they can get
 * again.
 */
export const GO_PROGRAMS = join(import.meta.dirname!, "../node_modules/.cache/go");
