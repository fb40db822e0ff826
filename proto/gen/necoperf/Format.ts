// Original file: proto/necoperf.proto

export const Format = {
  /**
   * FORMAT_SCRIPT.
   */
  FORMAT_UNSPECIFIED: 'FORMAT_UNSPECIFIED',
  /**
   * The text that perf script prints.
   */
  FORMAT_SCRIPT: 'FORMAT_SCRIPT',
  /**
   * perf.data in perf's pipe form, which `perf report -i` and `perf script -i`
   * read like any other.
   */
  FORMAT_DATA: 'FORMAT_DATA',
} as const;

export type Format =
  /**
   * FORMAT_SCRIPT.
   */
  | 'FORMAT_UNSPECIFIED'
  | 0
  /**
   * The text that perf script prints.
   */
  | 'FORMAT_SCRIPT'
  | 1
  /**
   * perf.data in perf's pipe form, which `perf report -i` and `perf script -i`
   * read like any other.
   */
  | 'FORMAT_DATA'
  | 2

export type Format__Output = typeof Format[keyof typeof Format]
