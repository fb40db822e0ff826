/**
 * Does something with each item, with at most `limit` of them at a time and in their order. Rejects
 * as soon as one fails; the others are not begun then.
 */
export async function forEachConcurrent<T>(
  items: Iterable<T>,
  limit: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  let failed = false;
  const work = async () => {
    for (let next; !failed && !(next = rest.next()).done;) await task(next.value);
  };
  const workers = Array.from({ length: limit }, work);
  await Promise.all(workers.map((worker) =>
    worker.catch((error) => {
      failed = true;
      throw error;
    })
  ));
}
