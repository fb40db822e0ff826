/** The formats that perf script's text can be converted to, with the extensions of their files. */
export const CONVERTED_FORMATS = {
  folded: ".folded",
  speedscope: ".speedscope.json",
  pprof: ".pb.gz",
  flamegraph: ".html",
  firefox: ".firefox.json",
} as const;

/** One of the names in `CONVERTED_FORMATS`. */
export type ConvertedFormat = keyof typeof CONVERTED_FORMATS;
