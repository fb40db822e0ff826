// Original file: proto/necoperf.proto

export const CallGraph = {
  /**
   * CALL_GRAPH_FP.
   */
  CALL_GRAPH_UNSPECIFIED: 'CALL_GRAPH_UNSPECIFIED',
  /**
   * By frame pointers.
   */
  CALL_GRAPH_FP: 'CALL_GRAPH_FP',
  /**
   * By unwinding a copy of the stack with the program's DWARF tables.
   */
  CALL_GRAPH_DWARF: 'CALL_GRAPH_DWARF',
  /**
   * By the processor's last branch record.
   */
  CALL_GRAPH_LBR: 'CALL_GRAPH_LBR',
  /**
   * No call graph: the sampled function alone.
   */
  CALL_GRAPH_NONE: 'CALL_GRAPH_NONE',
} as const;

export type CallGraph =
  /**
   * CALL_GRAPH_FP.
   */
  | 'CALL_GRAPH_UNSPECIFIED'
  | 0
  /**
   * By frame pointers.
   */
  | 'CALL_GRAPH_FP'
  | 1
  /**
   * By unwinding a copy of the stack with the program's DWARF tables.
   */
  | 'CALL_GRAPH_DWARF'
  | 2
  /**
   * By the processor's last branch record.
   */
  | 'CALL_GRAPH_LBR'
  | 3
  /**
   * No call graph: the sampled function alone.
   */
  | 'CALL_GRAPH_NONE'
  | 4

export type CallGraph__Output = typeof CallGraph[keyof typeof CallGraph]
