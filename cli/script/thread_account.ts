import { type TimeKind, UNSEEN_STACK } from "./time_events.ts";

/** A stack as perf script prints it, known by its number. */
export interface KnownStack {
  id: number;
  /** Its lines, each with its end. */
  text: string;
}

/** The kernel's counters of a thread (`/proc/PID/task/TID/schedstat`), in nanoseconds. */
export interface SchedStat {
  /** On a processor. */
  runNs: number;
  /** Able to run, without a processor. */
  delayNs: number;
  /** How often it got a processor. */
  turns: number;
}

/** Stands in for a thread without counters of the kernel. */
export interface Guess {
  /**
   * How many times what was seen it stands for. Default: as often as it makes the thread's life.
   */
  factor?: number;
  /** How long it waited for a processor each time that it was woken up. Default: not at all. */
  latencyNs?: number;
}

/** A part of a thread's time. */
export interface TimePart {
  kind: TimeKind;
  stack: KnownStack;
  /** When it ended. */
  endNs: number;
  /** How long it was; not a whole number. */
  ns: number;
}

/** Parts that are put together until the thread's whole time is known. */
interface Part extends TimePart {
  /** How many times the thread was there until it went on. */
  turns: number;
  /** The time of parts without a sampled stack that it stands for. */
  weight: number;
  durationClass: number;
}

/** What was seen of one kind without its stack, by the class of its duration. */
interface Unsampled {
  ns: number;
  turns: number;
}

/**
 * `unknown`: as after a pause in which nobody watched. `before`: nothing was seen of the thread
 * yet, which was there when the recording began.
 */
type State = TimeKind | "unknown" | "before";

/** The kinds of what is not on a processor. */
type Off = Exclude<TimeKind, "running">;

/**
 * What a switch takes before perf has written down that a thread runs, and after it has that it
 * left the processor: the kernel counts it as running.
 */
const MAX_SWITCH_NS = 50_000;

/**
 * So many times more turns than were seen in so much of a life are a sign that perf missed them.
 */
const MISSED_TURNS = 3;
const WATCHED = 0.9;

/** For how many other switches a sample stands that is said to stand for one: some may be lost. */
const LOST_SAMPLES = 0.001;

const ONLY_FRAME = (symbol: string) => `\t               0 ${symbol} ([unknown])\n`;

/** Stacks that stand for those which nobody saw. */
export const UNSEEN: KnownStack = { id: 0, text: ONLY_FRAME(UNSEEN_STACK) };
export const NEW_THREAD: KnownStack = { id: 1, text: ONLY_FRAME("[waiting to start]") };
export const NOT_SAMPLED: KnownStack = { id: 2, text: ONLY_FRAME("[not sampled]") };
/** perf has told the stack, which was empty. */
export const NO_STACK: KnownStack = { id: 3, text: ONLY_FRAME("[unknown]") };
export const FIRST_STACK_ID = 4;

/** How much of a thread's time was spent how, as far as it was seen. */
type Seen = Record<TimeKind, number>;

/**
 * One thread's time, divided into what it did. It hears of switches and samples in the order of
 * their times; `parts` says then what they come to.
 */
export class ThreadAccount {
  command: string;
  /** The thread that started it, where that was seen. */
  parentTid: number | undefined;
  /** How long it waited for a processor each time that it was woken up, when `parts` could tell. */
  latencyNs: number | undefined;
  readonly #parts = new Map<string, Part>();
  readonly #unsampled: Record<Off, Map<number, Unsampled>> = {
    blocked: new Map(),
    waiting: new Map(),
  };
  #turns = 0;
  #givenTurns = 0;
  #seen: Seen = { running: 0, blocked: 0, waiting: 0 };
  /** What earlier calls of `parts` have given. */
  #given: Seen = { running: 0, blocked: 0, waiting: 0 };
  #startNs: number;
  #sinceNs: number;
  #state: State;
  /** Where it is off the processor, if that was sampled. */
  #stack: KnownStack | undefined;
  #stackWeight = 0;
  /** Where it was sampled when it was about to leave the processor. */
  #leaving: { stack: KnownStack; weight: number } | undefined;
  /** Running time since it was sampled running. */
  #unspreadNs = 0;
  /** The assumed time before the first event, for a thread that was there all the time. */
  #first: { kind: TimeKind; ns: number } | undefined;
  #runStack: KnownStack | undefined;
  #lastLeftOn: KnownStack | undefined;
  /** What went on when pauses began, and how often. */
  readonly #cutOff = new Map<string, { kind: Off; stack: KnownStack; count: number }>();
  /** How long it was off the processor, as pauses ended that it had begun in. */
  #endedUnseenNs = 0;
  #endedUnseen = 0;
  /** When a pause began in which nothing is known of it, unless it was heard of since. */
  #pausedAtNs: number | undefined;

  /** `isNew`: it begins now, and waits for a processor. */
  constructor(
    readonly pid: number,
    readonly tid: number,
    command: string,
    startNs: number,
    isNew: boolean,
  ) {
    this.command = command;
    this.#startNs = this.#sinceNs = startNs;
    this.#state = isNew ? "waiting" : "before";
    if (isNew) this.#stack = NEW_THREAD;
  }

  /** How many parts are held. */
  get size(): number {
    return this.#parts.size;
  }

  /** How much of the thread's time was seen. */
  get seenNs(): number {
    return this.#seen.running + this.#seen.blocked + this.#seen.waiting;
  }

  /** Up to when the thread's time is known. */
  get sinceNs(): number {
    return this.#sinceNs;
  }

  /** It got a processor. */
  enter(timeNs: number, bucketNs: number): void {
    const ns = timeNs - this.#sinceNs;
    if (this.#state === "before") {
      this.#first = { kind: "blocked", ns };
      this.#off("blocked", UNSEEN, ns, timeNs, 1, bucketNs);
    } else if (this.#state === "blocked" || this.#state === "waiting") {
      this.#off(this.#state, this.#stack, ns, timeNs, 1, bucketNs);
    } else if (this.#state === "unknown") {
      this.#endedUnseenNs += ns;
      this.#endedUnseen++;
    }
    this.#turns++;
    // Else a switch away from it was lost.
    this.#become("running", timeNs);
  }

  /** It gave the processor up. */
  leave(timeNs: number, isPreempted: boolean): void {
    this.#run(timeNs);
    this.#become(isPreempted ? "waiting" : "blocked", timeNs);
    this.#stack = this.#leaving?.stack;
    this.#stackWeight = this.#leaving?.weight ?? 1;
    this.#leaving = undefined;
  }

  /** It was sampled when it was about to leave the processor; that stands for so many switches. */
  leaving(timeNs: number, stack: KnownStack, weight: number): void {
    this.#run(timeNs);
    this.#leaving = { stack, weight };
    this.#lastLeftOn = stack;
  }

  /** It was sampled running. */
  sampled(timeNs: number, stack: KnownStack, bucketNs: number): void {
    this.#run(timeNs);
    this.#add("running", stack, this.#unspreadNs, timeNs, { turns: 0, weight: 0, bucketNs });
    this.#unspreadNs = 0;
    this.#runStack = stack;
  }

  /**
   * Nobody watched from `startNs` to `endNs`. `still`: the kernel says that the thread did not get
   * a processor in that time; undefined when nothing is known of it.
   */
  pause(startNs: number, endNs: number, still: boolean | undefined, bucketNs: number): void {
    if (still) return;
    const pausedAtNs = Math.max(startNs, this.#sinceNs);
    const isOff = this.#state === "blocked" || this.#state === "waiting";
    const isCarried = still === undefined && (isOff || this.#state === "before");
    const state = isCarried ? this.#state : "unknown";
    if (still === false) this.#countCutOff();
    this.#account(pausedAtNs, bucketNs);
    this.#pausedAtNs ??= pausedAtNs;
    this.#state = state;
    this.#sinceNs = Math.max(endNs, pausedAtNs);
  }

  /** Ends at a time what goes on. */
  end(timeNs: number, bucketNs: number): void {
    this.#account(timeNs, bucketNs);
    this.#become("unknown", timeNs);
  }

  /** Ends it when it was last heard of: it is gone, and nobody saw when it went. */
  endUnseen(): void {
    this.#become("unknown", this.#pausedAtNs ?? this.#sinceNs);
  }

  /** Takes away what it is taken to have done before it began. */
  beginAt(timeNs: number): void {
    if (!this.#first) return;
    const { kind } = this.#first;
    const ns = Math.min(timeNs - this.#startNs, this.#first.ns);
    if (ns <= 0) return;
    this.#startNs += ns;
    this.#seen[kind] -= ns;
    const [first] = [...this.#parts.values()].filter((part) => part.kind === kind)
      .sort((a, b) => a.endNs - b.endNs);
    if (first) first.ns = Math.max(0, first.ns - ns);
    else this.#unspreadNs -= ns;
    this.#first = undefined;
  }

  /** Puts parts together that are of the same stack and end in the same stretch of so many ns. */
  coalesce(bucketNs: number): void {
    const parts = [...this.#parts.values()].sort((a, b) => a.endNs - b.endNs);
    this.#parts.clear();
    for (const part of parts) this.#put(part, bucketNs);
  }

  /** Has the thread hold its stack, of all that it holds, by another. */
  restack(replace: (stack: KnownStack) => KnownStack): void {
    const replaced = (stack?: KnownStack) => stack && replace(stack);
    this.#stack = replaced(this.#stack);
    this.#runStack = replaced(this.#runStack);
    this.#lastLeftOn = replaced(this.#lastLeftOn);
    if (this.#leaving) this.#leaving.stack = replace(this.#leaving.stack);
  }

  /**
   * Gives what the thread's time was spent on, and forgets it. With what the kernel has counted of
   * all of its life, when that is known:
   *
   * - Running and waiting for a processor are what the kernel says, and the thread was blocked for
   *   the rest of its life.
   * - It waited for a processor either because it was preempted or after it had been woken up. The
   *   second is divided evenly over its waits, but is never longer than it was off the processor.
   * - Time that no sample covers is divided over stacks as the sampled time of its kind.
   *
   * Without the kernel's counters `guess` is used.
   */
  parts(total?: SchedStat, guess: Guess = {}): TimePart[] {
    const seen = this.#seen;
    if (this.#unspreadNs > 0) {
      const stack = this.#runStack ?? this.#lastLeftOn ?? NOT_SAMPLED;
      const of = { turns: 0, weight: 0, bucketNs: Infinity };
      this.#add("running", stack, this.#unspreadNs, this.#sinceNs, of);
      this.#unspreadNs = 0;
    }
    this.#shareUnsampled();
    this.#shareEndedUnseen();
    const lifeNs = this.#sinceNs - this.#startNs;
    const isWatched = this.seenNs > WATCHED * lifeNs;
    const turns = (total?.turns ?? 0) - this.#givenTurns;
    const isMissed = isWatched && turns > MISSED_TURNS * (this.#turns + 1);
    const { running: runningNs, waiting: waitingNs, blocked: blockedNs, factor } = targetOf({
      lifeNs,
      seen,
      // perf misses events at times; the kernel's counters include them.
      switchNs: isMissed ? Infinity : this.#turns * MAX_SWITCH_NS,
      factor: guess.factor,
      total: total && {
        ...total,
        runNs: total.runNs - this.#given.running,
        delayNs: total.delayNs - this.#given.waiting,
      },
    });
    // A thread that never blocked was preempted whenever it waited.
    const preemptedNs = seen.blocked === 0 || isMissed
      ? waitingNs
      : Math.min(seen.waiting * factor, waitingNs);
    const end = this.#sinceNs;
    const running = scaled("running", this.#take("running"), runningNs, end);
    const waiting = scaled("waiting", this.#take("waiting"), preemptedNs, end);
    const off = scaled("blocked", this.#take("blocked"), blockedNs + waitingNs - preemptedNs, end);
    const wakes = off.reduce((sum, { turns }) => sum + turns, 0);
    const wakingNs = total ? waitingNs - preemptedNs : wakes * (guess.latencyNs ?? 0);
    const latencies = latenciesOf(off, wakingNs);
    if (total && wakes > 0 && !isMissed) this.latencyNs = wakingNs / wakes;
    const parts: TimePart[] = [...running, ...waiting];
    off.forEach(({ stack: seenStack, endNs, ns }, index) => {
      const stack = isMissed && seenStack === UNSEEN ? NOT_SAMPLED : seenStack;
      parts.push({ kind: "blocked", stack, endNs, ns: ns - latencies[index] });
      parts.push({ kind: "waiting", stack, endNs, ns: latencies[index] });
    });
    for (const { kind, ns } of parts) this.#given[kind] += ns;
    this.#startNs = this.#sinceNs;
    this.#first = undefined;
    this.#givenTurns += this.#turns;
    this.#turns = 0;
    this.#seen = { running: 0, blocked: 0, waiting: 0 };
    return parts.filter(({ ns }) => ns > 0);
  }

  /** Counts what it was seen to do, up to a time. */
  #account(timeNs: number, bucketNs: number): void {
    const ns = timeNs - this.#sinceNs;
    if (this.#state === "running") this.#run(timeNs);
    else if (this.#state === "before") {
      this.#first = { kind: "blocked", ns };
      this.#off("blocked", UNSEEN, ns, timeNs, 0, bucketNs);
    } else if (this.#state !== "unknown") {
      this.#off(this.#state, this.#stack, ns, timeNs, 0, bucketNs);
    }
  }

  #countCutOff(): void {
    if (this.#state !== "blocked" && this.#state !== "waiting" || !this.#stack) return;
    const kind = this.#state;
    const key = `${kind} ${this.#stack.id}`;
    const before = this.#cutOff.get(key);
    if (before) before.count++;
    else this.#cutOff.set(key, { kind, stack: this.#stack, count: 1 });
  }

  /**
   * Where a thread was as a pause ended is not known, but where it was as pauses began is: at times
   * that have nothing to do with what it does, so that both are the same on average.
   */
  #shareEndedUnseen(): void {
    const all = [...this.#cutOff.values()];
    const counted = all.reduce((sum, { count }) => sum + count, 0);
    for (const { kind, stack, count } of all) {
      const ns = this.#endedUnseenNs * count / counted;
      const turns = this.#endedUnseen * count / counted;
      if (ns === 0) continue;
      this.#add(kind, stack, ns, this.#sinceNs, { turns, weight: 0, bucketNs: Infinity });
      this.#seen[kind] += ns;
    }
    this.#cutOff.clear();
    this.#endedUnseenNs = this.#endedUnseen = 0;
  }

  /** It has run until then, or something is amiss. */
  #run(timeNs: number): void {
    if (this.#state === "running" || this.#state === "before" || this.#state === "unknown") {
      const ns = timeNs - this.#sinceNs;
      if (this.#state === "before") this.#first = { kind: "running", ns };
      this.#seen.running += ns;
      this.#unspreadNs += ns;
    }
    // Else the switch to it was lost, and with it how long it was off.
    this.#become("running", timeNs);
  }

  #become(state: State, timeNs: number): void {
    this.#pausedAtNs = undefined;
    this.#state = state;
    this.#sinceNs = timeNs;
  }

  #off(
    kind: Off,
    stack: KnownStack | undefined,
    ns: number,
    endNs: number,
    turns: number,
    bucketNs: number,
  ): void {
    if (stack) {
      this.#add(kind, stack, ns, endNs, { turns, weight: this.#othersOf(ns), bucketNs });
    } else {
      const durationClass = durationClassOf(ns);
      const before = this.#unsampled[kind].get(durationClass) ?? { ns: 0, turns: 0 };
      before.ns += ns;
      before.turns += turns;
      this.#unsampled[kind].set(durationClass, before);
    }
    this.#seen[kind] += ns;
  }

  /** What the stack stands for of other waits, when this one has one of its own. */
  #othersOf(ns: number): number {
    return this.#stackWeight === 0 ? 0 : Math.max(this.#stackWeight - 1, LOST_SAMPLES) * ns;
  }

  #add(
    kind: TimeKind,
    stack: KnownStack,
    ns: number,
    endNs: number,
    { turns, weight, bucketNs }: { turns: number; weight: number; bucketNs: number },
  ): void {
    const durationClass = kind === "running" ? 0 : durationClassOf(ns);
    this.#put({ kind, stack, ns, endNs, turns, weight, durationClass }, bucketNs);
  }

  #put(part: Part, bucketNs: number): void {
    const { kind, stack, durationClass, endNs } = part;
    const bucket = Math.floor(Math.max(0, endNs - this.#startNs) / bucketNs);
    const key = `${kind} ${durationClass} ${bucket} ${stack.id}`;
    const before = this.#parts.get(key);
    if (!before) {
      this.#parts.set(key, part);
      return;
    }
    before.ns += part.ns;
    before.turns += part.turns;
    before.weight += part.weight;
    before.endNs = Math.max(before.endNs, endNs);
  }

  #take(kind: TimeKind): Part[] {
    const taken: Part[] = [];
    for (const [key, part] of this.#parts) {
      if (part.kind !== kind) continue;
      taken.push(part);
      this.#parts.delete(key);
    }
    return taken;
  }

  /**
   * Shares what was seen without its stack out over the sampled parts of the same kind that were
   * about as long, each for as many as it stands for.
   */
  #shareUnsampled(): void {
    for (const kind of ["blocked", "waiting"] as const) {
      const all = [...this.#parts.values()].filter((part) => part.kind === kind && part.weight > 0);
      for (const [durationClass, { ns, turns }] of this.#unsampled[kind]) {
        const distance = (part: Part) => Math.abs(part.durationClass - durationClass);
        const nearest = Math.min(...new Set(all.map(distance)));
        const alike = all.filter((part) => distance(part) === nearest);
        const weight = alike.reduce((sum, part) => sum + part.weight, 0);
        if (alike.length === 0) {
          const of = { turns, weight: 0, bucketNs: Infinity };
          this.#add(kind, this.#lastLeftOn ?? NOT_SAMPLED, ns, this.#sinceNs, of);
        }
        for (const part of alike) {
          part.ns += ns * part.weight / weight;
          part.turns += turns * part.weight / weight;
        }
      }
      this.#unsampled[kind].clear();
    }
  }
}

/** The facts about a thread's life. */
interface Life {
  lifeNs: number;
  seen: Seen;
  /** How much more than what was seen of it the kernel may have counted as running. */
  switchNs: number;
  /** How many times what was seen it was, where the kernel has not counted. */
  factor: number | undefined;
  total: SchedStat | undefined;
}

/** How much of a life is of each kind; and how many times what was seen it is. */
function targetOf({ lifeNs, seen, switchNs, factor, total }: Life): Seen & { factor: number } {
  const seenNs = seen.running + seen.blocked + seen.waiting;
  factor ??= seenNs > 0 ? lifeNs / seenNs : 1;
  if (!total) {
    return {
      running: seen.running * factor,
      blocked: seen.blocked * factor,
      waiting: seen.waiting * factor,
      factor,
    };
  }
  const unseenNs = Math.max(0, lifeNs - seenNs);
  const most = Math.min(seen.running + unseenNs + switchNs, lifeNs);
  // Where pauses end is not known to the microsecond.
  const least = seenNs > WATCHED * lifeNs ? seen.running : 0;
  const running = clamp(total.runNs, least, most);
  const restNs = lifeNs - running;
  const waiting = clamp(total.delayNs, Math.min(seen.waiting, restNs), restNs);
  return { running, waiting, blocked: restNs - waiting, factor };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

/**
 * The parts with so much time in all. A kind of time without any sample gets a stack that says so.
 */
function scaled(kind: TimeKind, parts: Part[], ns: number, endNs: number): Part[] {
  if (ns <= 0) return [];
  const seenNs = parts.reduce((sum, part) => sum + part.ns, 0);
  if (seenNs > 0) return parts.map((part) => ({ ...part, ns: part.ns * ns / seenNs }));
  if (parts.length > 0) return parts.map((part) => ({ ...part, ns: ns / parts.length }));
  return [{ kind, stack: NOT_SAMPLED, endNs, ns, turns: 0, weight: 0, durationClass: 0 }];
}

/**
 * Divides a time over the ends of waits: each has as much as any other, but none more than it was
 * long. Returns what each part has of it.
 */
function latenciesOf(parts: Part[], ns: number): number[] {
  const latencies = parts.map(() => 0);
  const woken = [...parts.keys()].filter((index) => parts[index].turns > 0);
  const length = (index: number) => parts[index].ns / parts[index].turns;
  let turns = woken.reduce((sum, index) => sum + parts[index].turns, 0);
  let leftNs = ns;
  for (const index of woken.sort((a, b) => length(a) - length(b))) {
    const part = parts[index];
    latencies[index] = Math.min(part.ns, leftNs * part.turns / turns);
    leftNs -= latencies[index];
    turns -= part.turns;
  }
  return latencies;
}

/** Durations of one class are at most 1.4 times as long as each other. */
function durationClassOf(ns: number): number {
  return Math.floor(2 * Math.log2(Math.max(1, ns)));
}
