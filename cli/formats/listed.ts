/** Writes values one by one, with commas between them. */
export function* listed<T>(values: Iterable<T>, write: (value: T) => string): Generator<string> {
  let separator = "";
  for (const value of values) {
    yield separator + write(value);
    separator = ",";
  }
}
