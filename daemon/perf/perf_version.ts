/** A release of the kernel, or of the perf that was built from its source. */
interface Release {
  major: number;
  minor: number;
}

/** The perf and the kernel of a node. */
export interface PerfAndKernel {
  /** `none` when perf cannot be run. */
  perf: string;
  kernel: string;
  /** Why this perf should not be trusted with this kernel. */
  skew?: string;
}

/**
 * How many releases perf and kernel may be apart; nine weeks each, so a little more than a year.
 */
const MAX_RELEASES_APART = 6;

/** Reads `6.1.187` or `perf version 6.1.76`; `undefined` when there is no release in the text. */
export function parseRelease(text: string): Release | undefined {
  const match = /(\d+)\.(\d+)/.exec(text);
  return match ? { major: Number(match[1]), minor: Number(match[2]) } : undefined;
}

/**
 * Why a perf should not be trusted with a kernel, or `undefined` when it can be.
 *
 * Any perf works on any kernel after a fashion, but one of another time misses events and fields
 * and may not know the formats of the other.
 */
export function findVersionSkew(perf: string, kernel: string): string | undefined {
  const [perfRelease, kernelRelease] = [parseRelease(perf), parseRelease(kernel)];
  if (!perfRelease || !kernelRelease) {
    return `cannot compare perf's version (${perf}) with the kernel's (${kernel})`;
  }
  const apart = ordinal(kernelRelease) - ordinal(perfRelease);
  if (Math.abs(apart) <= MAX_RELEASES_APART) return undefined;
  return `perf ${perf} is ${Math.abs(apart)} releases ${apart > 0 ? "older" : "newer"} than ` +
    `kernel ${kernel}: install a perf built for this kernel`;
}

/** Counts releases: a major one ends after about twenty minor ones (4.20, 5.19, 6.19). */
function ordinal(release: Release): number {
  return release.major * 20 + release.minor;
}
