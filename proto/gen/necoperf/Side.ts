// Original file: proto/necoperf.proto

export const Side = {
  /**
   * Samples of both sides.
   */
  SIDE_UNSPECIFIED: 'SIDE_UNSPECIFIED',
  SIDE_USER: 'SIDE_USER',
  SIDE_KERNEL: 'SIDE_KERNEL',
} as const;

export type Side =
  /**
   * Samples of both sides.
   */
  | 'SIDE_UNSPECIFIED'
  | 0
  | 'SIDE_USER'
  | 1
  | 'SIDE_KERNEL'
  | 2

export type Side__Output = typeof Side[keyof typeof Side]
