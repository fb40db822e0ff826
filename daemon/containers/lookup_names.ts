/** The names of the ways to find a container; apart, so that reading arguments loads no library. */
export const LOOKUP_NAMES = ["cgroup", "cri", "pid"] as const;

/** The name of a way to find a container. */
export type LookupName = typeof LOOKUP_NAMES[number];
