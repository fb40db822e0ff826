/** The memory and processor time of a process. */
export interface ProcessUsage {
  /** Resident memory without the contents of files, which the kernel can take back. */
  memoryBytes: number;
  /** Time on processors since it started. */
  cpuSeconds: number;
  /** Whether it is on a processor, or waits for one. */
  runnable: boolean;
}
