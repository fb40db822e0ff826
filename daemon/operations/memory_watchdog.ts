/** How often the memory is looked at. */
const INTERVAL_MS = 5_000;

/** A watch over the program's own memory. */
interface GrowthWatch extends Disposable {
  /** Resolves with the resident bytes when they are above the bound and nothing is under way. */
  outgrown: Promise<number>;
}

/**
 * Watches the program's own memory. Deno's HTTP/2 leaks some 30 KB for each connection that is
 * closed (2.9.6; not needed any more when the memory of a long soak stays flat), so that a daemon
 * that has served for long enough is to be ended while nobody needs it, not when the kernel finds
 * it too large.
 */
export function watchMemory(
  maxBytes: number,
  isIdle: () => boolean,
  { residentBytes = () => Deno.memoryUsage().rss, intervalMs = INTERVAL_MS } = {},
): GrowthWatch {
  const { promise: outgrown, resolve } = Promise.withResolvers<number>();
  const timer = setInterval(() => {
    const bytes = residentBytes();
    if (bytes > maxBytes && isIdle()) resolve(bytes);
  }, intervalMs);
  return { outgrown, [Symbol.dispose]: () => clearInterval(timer) };
}
