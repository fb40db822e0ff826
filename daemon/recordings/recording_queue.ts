import { StatusError } from "../status_error.ts";

/** A recording that is to run. */
interface QueuedRecording {
  /** Owners take turns. Nobody can have many at will. */
  owner: string;
  containerId: string;
  /** How long it will sample. */
  durationSeconds: number;
}

/** Where a recording that waits stands. */
export interface QueuePlace {
  /** How many recordings go first; 0: the next free place is this one's. */
  ahead: number;
  /** It waits because its container is being recorded: two perfs would measure each other. */
  sameContainer: boolean;
}

interface Waiter {
  recording: QueuedRecording;
  admit(): void;
  refuse(error: StatusError): void;
  onPlace(place: QueuePlace): void;
  /** What was told last. */
  place?: QueuePlace;
}

interface Owner {
  running: number;
  /** In the order they came. */
  waiting: Waiter[];
}

/**
 * Lets a limited number of recordings run at a time, and one of a container; others wait, up to a
 * bound.
 *
 * Nobody is held up by how much another asks for. The next place is for the owner of whom the
 * fewest run, and of equals for the one that has waited the longest since its last ended; where
 * there is more than one place, the last is for those alone of whom nothing runs. One that waits
 * for its container lets others pass. When too many wait, the latest of the owner with the most
 * gives way.
 */
export class RecordingQueue {
  readonly #limits: { maxConcurrent: number; maxWaiting: number };
  readonly #now: () => number;
  /** When each is expected to end, in milliseconds, by container. */
  readonly #running = new Map<string, number>();
  /** Those of whom something runs or waits; who has just had a turn is the last. */
  readonly #owners = new Map<string, Owner>();

  /** `now` gives the time in milliseconds. */
  constructor(
    limits: { maxConcurrent: number; maxWaiting: number },
    now = () => performance.now(),
  ) {
    this.#limits = limits;
    this.#now = now;
  }

  /** How many run. */
  get running(): number {
    return this.#running.size;
  }

  /** How many wait. */
  get waiting(): number {
    return [...this.#owners.values()].reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  /**
   * Waits for a place and resolves with what gives it back. `onPlace` hears where the recording
   * stands, at once and whenever that changes; not at all when there is a place for it.
   *
   * Rejects with `RESOURCE_EXHAUSTED` when too many wait, at once or later in favour of an owner
   * with less; with `CANCELLED` when `signal` aborts.
   */
  async enter(
    recording: QueuedRecording,
    signal: AbortSignal,
    onPlace: (place: QueuePlace) => void,
  ): Promise<() => void> {
    if (signal.aborted) throw cancelled();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { recording, admit: resolve, refuse: reject, onPlace };
    const owner = this.#owners.get(recording.owner) ?? { running: 0, waiting: [] };
    this.#owners.set(recording.owner, owner);
    owner.waiting.push(waiter);
    this.#admit();
    const giveUp = () => {
      this.#remove(waiter);
      reject(cancelled());
    };
    signal.addEventListener("abort", giveUp, { once: true });
    this.#bound(waiter);
    this.#announce();
    await promise.finally(() => signal.removeEventListener("abort", giveUp));
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#leave(recording);
    };
  }

  /** Those who wait, the next one first. */
  #turns(): Waiter[] {
    return [...this.#owners.values()]
      .flatMap(({ running, waiting }) =>
        waiting.map((waiter, index) => ({ waiter, before: running + index }))
      )
      .toSorted((a, b) => a.before - b.before)
      .map(({ waiter }) => waiter);
  }

  /** Gives the free places to those whose turn it is. */
  #admit(): void {
    for (;;) {
      const next = this.#turns().find((waiter) => this.#hasPlace(waiter.recording));
      if (!next) return;
      const { containerId, durationSeconds } = next.recording;
      const owner = this.#owners.get(next.recording.owner)!;
      owner.waiting.splice(owner.waiting.indexOf(next), 1);
      owner.running++;
      this.#running.set(containerId, this.#now() + durationSeconds * 1000);
      next.admit();
    }
  }

  #hasPlace({ owner, containerId }: QueuedRecording): boolean {
    const { maxConcurrent } = this.#limits;
    const runsSome = this.#owners.get(owner)!.running > 0;
    const places = maxConcurrent > 1 && runsSome ? maxConcurrent - 1 : maxConcurrent;
    return this.running < places && !this.#running.has(containerId);
  }

  /** Sends one away when too many wait: the newcomer, unless another owner has more than its. */
  #bound(newcomer: Waiter): void {
    if (this.waiting <= this.#limits.maxWaiting) return;
    const own = this.#owners.get(newcomer.recording.owner)!.waiting;
    const most = [...this.#owners.values()].map(({ waiting }) => waiting)
      .reduce((most, waiting) => waiting.length > most.length ? waiting : most, own);
    const latest = most === own ? newcomer : most.at(-1)!;
    this.#remove(latest);
    latest.refuse(this.#full());
  }

  #full(): StatusError {
    const free = Math.min(...this.#running.values()) - this.#now();
    // One that samples no longer is being converted, which nobody knows the end of.
    const retryAfterSeconds = Math.max(1, Math.ceil(free / 1000));
    return new StatusError(
      "RESOURCE_EXHAUSTED",
      `this node has no place for another recording: ${this.running} run and ${this.waiting} wait; ` +
        `try again in ${retryAfterSeconds} s, when one of them has ended`,
      { retryAfterSeconds },
    );
  }

  #leave({ owner: name, containerId }: QueuedRecording): void {
    this.#running.delete(containerId);
    const owner = this.#owners.get(name)!;
    owner.running--;
    this.#owners.delete(name);
    this.#owners.set(name, owner);
    this.#admit();
    this.#forget(name);
    this.#announce();
  }

  #remove(waiter: Waiter): void {
    const { owner: name } = waiter.recording;
    const waiting = this.#owners.get(name)?.waiting ?? [];
    const place = waiting.indexOf(waiter);
    if (place < 0) return;
    waiting.splice(place, 1);
    this.#forget(name);
    this.#announce();
  }

  #forget(name: string): void {
    const { running, waiting } = this.#owners.get(name)!;
    if (running === 0 && waiting.length === 0) this.#owners.delete(name);
  }

  #announce(): void {
    let ahead = 0;
    for (const waiter of this.#turns()) {
      const sameContainer = this.#running.has(waiter.recording.containerId);
      const { place } = waiter;
      if (place?.ahead !== ahead || place.sameContainer !== sameContainer) {
        waiter.place = { ahead, sameContainer };
        waiter.onPlace(waiter.place);
      }
      if (!sameContainer) ahead++;
    }
  }
}

function cancelled(): StatusError {
  return new StatusError("CANCELLED", "the caller gave up before the recording started");
}
