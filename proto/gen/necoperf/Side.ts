// Original file: proto/necoperf.proto

export const Side = {
  /**
   * SIDE_BOTH where the caller may see the kernel's side, SIDE_USER where not.
   */
  SIDE_UNSPECIFIED: 'SIDE_UNSPECIFIED',
  SIDE_USER: 'SIDE_USER',
  SIDE_KERNEL: 'SIDE_KERNEL',
  SIDE_BOTH: 'SIDE_BOTH',
} as const;

export type Side =
  /**
   * SIDE_BOTH where the caller may see the kernel's side, SIDE_USER where not.
   */
  | 'SIDE_UNSPECIFIED'
  | 0
  | 'SIDE_USER'
  | 1
  | 'SIDE_KERNEL'
  | 2
  | 'SIDE_BOTH'
  | 3

export type Side__Output = typeof Side[keyof typeof Side]
