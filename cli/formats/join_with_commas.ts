/** What is passed on at a time: to hand on each value would take longer than to write it. */
const PIECE_LENGTH = 4096;

/** Writes values with commas between them, some at a time. */
export function* joinWithCommas<T>(
  values: Iterable<T>,
  write: (value: T) => string,
): Generator<string> {
  let piece = "";
  let separator = "";
  for (const value of values) {
    piece += separator + write(value);
    separator = ",";
    if (piece.length < PIECE_LENGTH) continue;
    yield piece;
    piece = "";
  }
  yield piece;
}
