/** Says whether an event's periods are nanoseconds of a CPU's time. */
export function isClockEvent(event: string): boolean {
  return /^(cpu-clock|task-clock)(:\w*)?$/.test(event);
}
