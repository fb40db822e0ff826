// Original file: proto/necoperf.proto

import type { CallGraph as _necoperf_CallGraph, CallGraph__Output as _necoperf_CallGraph__Output } from '../necoperf/CallGraph.ts';
import type { Side as _necoperf_Side, Side__Output as _necoperf_Side__Output } from '../necoperf/Side.ts';
import type { Format as _necoperf_Format, Format__Output as _necoperf_Format__Output } from '../necoperf/Format.ts';
import type { ThreadTime as _necoperf_ThreadTime, ThreadTime__Output as _necoperf_ThreadTime__Output } from '../necoperf/ThreadTime.ts';

/**
 * What perf is asked to do. A field that is not set means the default that its
 * comment names. The daemon checks each against its administrator's limits.
 */
export interface RecordOptions {
  /**
   * Samples per second and processor. Default: 99.
   */
  'frequency'?: (number);
  /**
   * perf's names of the events to sample, each out of the daemon's
   * --allowed-events. Default: perf's own (cycles, or cpu-clock where the node
   * has no hardware counters).
   */
  'events'?: (string)[];
  'callGraph'?: (_necoperf_CallGraph);
  /**
   * Bytes of stack copied with each sample, for CALL_GRAPH_DWARF only: a
   * multiple of 8. Default: 8192.
   */
  'stackSize'?: (number);
  'side'?: (_necoperf_Side);
  /**
   * Asks perf script also for functions that the compiler inlined. It looks for their files outside of
   * the container, where they are not, so that it names none so far.
   */
  'inline'?: (boolean);
  'format'?: (_necoperf_Format);
  /**
   * Only the process that the runtime started, not all of the container's.
   */
  'mainProcess'?: (boolean);
  /**
   * Each thread's time instead of samples of what runs: for text with call graphs,
   * and without events.
   */
  'threadTime'?: (_necoperf_ThreadTime);
}

/**
 * What perf is asked to do. A field that is not set means the default that its
 * comment names. The daemon checks each against its administrator's limits.
 */
export interface RecordOptions__Output {
  /**
   * Samples per second and processor. Default: 99.
   */
  'frequency': (number);
  /**
   * perf's names of the events to sample, each out of the daemon's
   * --allowed-events. Default: perf's own (cycles, or cpu-clock where the node
   * has no hardware counters).
   */
  'events': (string)[];
  'callGraph': (_necoperf_CallGraph__Output);
  /**
   * Bytes of stack copied with each sample, for CALL_GRAPH_DWARF only: a
   * multiple of 8. Default: 8192.
   */
  'stackSize': (number);
  'side': (_necoperf_Side__Output);
  /**
   * Asks perf script also for functions that the compiler inlined. It looks for their files outside of
   * the container, where they are not, so that it names none so far.
   */
  'inline': (boolean);
  'format': (_necoperf_Format__Output);
  /**
   * Only the process that the runtime started, not all of the container's.
   */
  'mainProcess': (boolean);
  /**
   * Each thread's time instead of samples of what runs: for text with call graphs,
   * and without events.
   */
  'threadTime': (_necoperf_ThreadTime__Output);
}
