/**
 * Reads the first `length` bytes of what is read, if there are as many, and gives back all of it.
 * A chunk of that is good until the next one is asked for, if those of `input` are.
 */
export async function peek(
  input: AsyncIterable<Uint8Array>,
  length: number,
): Promise<{ start: Uint8Array; whole: AsyncIterable<Uint8Array> }> {
  const iterator = input[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  const start = new Uint8Array(length);
  let filled = 0;
  let isDone = false;
  while (filled < length && !isDone) {
    const { done = false, value } = await iterator.next();
    isDone = done;
    if (done) break;
    first.push(value.slice());
    const part = value.subarray(0, length - filled);
    start.set(part, filled);
    filled += part.length;
  }
  async function* whole() {
    yield* first;
    if (!isDone) yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { start: start.subarray(0, filled), whole: whole() };
}
