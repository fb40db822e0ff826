// Original file: proto/necoperf.proto


/**
 * What a caller may profile of the pods of a namespace.
 */
export interface ProfilingRights {
  /**
   * The user's side.
   */
  'profiles'?: (boolean);
  /**
   * The kernel's side as well.
   */
  'profilesKernel'?: (boolean);
}

/**
 * What a caller may profile of the pods of a namespace.
 */
export interface ProfilingRights__Output {
  /**
   * The user's side.
   */
  'profiles': (boolean);
  /**
   * The kernel's side as well.
   */
  'profilesKernel': (boolean);
}
