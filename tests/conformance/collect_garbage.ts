/**
 * Makes V8 reclaim memory now. The program must have been started with `--v8-flags=--expose-gc`.
 */
export function collectGarbage(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (!gc) throw new Error("not started with --v8-flags=--expose-gc");
  // Twice, for what finalizers of the first time let go.
  gc();
  gc();
}
