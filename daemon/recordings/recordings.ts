import type { RecordOptions__Output } from "../../proto/gen/necoperf/RecordOptions.ts";
import type { Admission } from "../access/admission.ts";
import { ANYONE, type Caller, type Credentials, isSameCaller, type Owner } from "../caller.ts";
import type { Container, ContainerLookup } from "../containers/container.ts";
import type { Log } from "../operations/log.ts";
import type { Metrics } from "../operations/metrics.ts";
import type { PerfDataCounts, RequestedOptions, Side } from "../recording.ts";
import { type Perf, record, type RecordingObserver } from "./recorder.ts";
import { quote } from "../quote.ts";
import { DownloadSlots } from "./download_slots.ts";
import { checkRecordingOptions, type DurationField, type Limits } from "./recording_options.ts";
import type { QueuePlace, RecordingQueue } from "./recording_queue.ts";
import type { Result, WholeResult } from "../results/result.ts";
import type { ResultStore } from "../results/result_store.ts";
import { StatusError } from "../status_error.ts";

/** A call of a method of the service. */
export interface Call {
  method: string;
  /** Address and port. */
  peer: string;
  credentials: Credentials;
  /** Aborts when the caller gives up or is gone. */
  signal: AbortSignal;
  /** To be called when it is known who calls. */
  identified(): void;
}

/** What a caller asks for, not checked yet. */
export interface RecordingRequest {
  containerId: string;
  duration: DurationField;
  options: RecordOptions__Output | null;
  /**
   * Whether the result is kept for those who fetch it. It is then made to its end when the caller is
   * lost after sampling has ended.
   */
  kept: boolean;
}

/** What a caller is told while a recording goes on. */
export interface RecordingListener {
  accepted(recordingId: string): void;
  queued(place: QueuePlace): void;
  started(processes: number, side: Side): void;
  progress(elapsedSeconds: number, counts: PerfDataCounts): void;
  converting(): void;
}

/** A recording whose result is whole. */
export interface FinishedRecording extends WholeResult {
  recordingId: string;
  /** How long the result can still be fetched. */
  keptSeconds: number;
}

/** What recordings are made of. */
export interface RecordingParts {
  admission: Admission;
  lookup: ContainerLookup;
  perf: Perf;
  limits: Limits;
  /** How long perf script may go on after the sampling has ended. */
  conversionTimeoutSeconds: number;
  queue: RecordingQueue;
  store: ResultStore;
  metrics: Metrics;
  log: Log;
}

/** How long a recording that is told to stop at shutdown has for the rest of its work. */
const SHUTDOWN_STOP_SECONDS = 20;

/** How many results may be read at a time. Those that wait for their readers take 100 MB then. */
const MAX_READERS = 256;

interface Running {
  /** Who asked for it, once that is known. */
  caller?: Caller;
  /** Whether it has a place among those that run at a time. */
  admitted: boolean;
  /** Whether its sampling has ended. */
  sampled: boolean;
  stop: AbortController;
  abort: AbortController;
  ended: Promise<unknown>;
}

/** The recordings of this daemon, from the request to the result. */
export class Recordings {
  readonly #running = new Map<string, Running>();
  readonly #readers = new DownloadSlots(MAX_READERS);
  #shuttingDown = false;

  constructor(private readonly parts: RecordingParts) {}

  /** Whether new recordings are taken. */
  get accepting(): boolean {
    return !this.#shuttingDown;
  }

  /**
   * Makes a recording and resolves when its result is whole. The result stays in the store under
   * the recording's id; it is for the caller to see to its end.
   *
   * Rejects with a `StatusError`; nothing is left then. Aborting the call gives the recording up,
   * unless its result is to be kept and its sampling has ended.
   */
  async run(
    request: RecordingRequest,
    listener: RecordingListener,
    call: Call,
  ): Promise<FinishedRecording> {
    const { signal } = call;
    const recordingId = crypto.randomUUID();
    const running: Running = {
      admitted: false,
      sampled: false,
      stop: new AbortController(),
      abort: new AbortController(),
      ended: Promise.resolve(),
    };
    const giveUp = () => {
      // Whoever is lost after the sampling may come back for the result.
      if (!request.kept || !running.sampled) running.abort.abort(signal.reason);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    const finished = this.#accountRecording(recordingId, request, call, (account) => {
      account.onCaller = (caller) => running.caller = caller;
      return this.#run(recordingId, request, listener, running, call, account);
    });
    running.ended = finished.catch(() => {});
    this.#running.set(recordingId, running);
    try {
      return await finished;
    } finally {
      this.#running.delete(recordingId);
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Ends the sampling of a recording early. Rejects with `NOT_FOUND` when the caller runs none. */
  stop(recordingId: string, call: Call): Promise<void> {
    return this.#accountOther(recordingId, call, async (account) => {
      const caller = await this.#identify(call, account);
      const running = this.#running.get(recordingId);
      requireOwn(caller, running?.caller, account, "no such recording runs on this node");
      running!.stop.abort("stopped");
    });
  }

  /**
   * Writes the bytes of a result from an offset on, following it while it is made, and resolves with
   * what the whole result is. Rejects with `NOT_FOUND` when the caller has none, and with
   * `RESOURCE_EXHAUSTED` when too many are read.
   */
  fetch(
    recordingId: string,
    offset: number,
    call: Call,
    write: (data: Uint8Array) => Promise<void>,
  ): Promise<FinishedRecording> {
    return this.#accountOther(recordingId, call, async (account) => {
      const caller = await this.#identify(call, account);
      const result = this.parts.store.get(recordingId);
      requireOwn(caller, result?.owner, account, "this node keeps no such result");
      this.#readers.take(tenantOf(caller, call), call.signal);
      account.sentBytes = 0;
      for await (const data of result!.read(offset, call.signal)) {
        account.sentBytes += data.length;
        await write(data);
      }
      if (call.signal.aborted) throw new StatusError("CANCELLED", "the caller gave up");
      return describe(result!);
    });
  }

  /**
   * Removes the result of a caller's recording; one that is not whole yet is given up. Rejects with
   * `NOT_FOUND` when the caller has none.
   */
  delete(recordingId: string, call: Call): Promise<void> {
    return this.#accountOther(recordingId, call, async (account) => {
      const caller = await this.#identify(call, account);
      const running = this.#running.get(recordingId);
      const owner = running?.caller ?? this.parts.store.get(recordingId)?.owner;
      requireOwn(caller, owner, account, "this node keeps no such result");
      running?.abort.abort();
      await running?.ended;
      await this.parts.store.delete(recordingId);
    });
  }

  /** The result of a recording that has just ended, for the call that made it. */
  resultOf({ recordingId }: FinishedRecording): Result {
    return this.parts.store.get(recordingId)!;
  }

  /** Removes the result of a recording, for the call that made it. */
  async discard({ recordingId }: FinishedRecording): Promise<void> {
    await this.parts.store.delete(recordingId);
  }

  /**
   * Takes no new recordings, sends those that wait away and resolves when all have ended. After
   * `graceSeconds`, or when `now` aborts, those that still run are stopped and deliver what they
   * have.
   */
  async shutDown(graceSeconds: number, now: AbortSignal): Promise<void> {
    this.#shuttingDown = true;
    const all = [...this.#running.values()];
    for (const running of all) if (!running.admitted) running.stop.abort("shutdown");
    const ended = Promise.all(all.map((running) => running.ended));
    await Promise.race([ended, deadline(graceSeconds, now)]);
    for (const running of all) running.stop.abort("shutdown");
    await Promise.race([ended, deadline(SHUTDOWN_STOP_SECONDS)]);
    for (const running of all) running.abort.abort();
    await ended;
  }

  async #run(
    recordingId: string,
    request: RecordingRequest,
    listener: RecordingListener,
    running: Running,
    call: Call,
    account: Account,
  ): Promise<FinishedRecording> {
    const { admission, limits, queue, store } = this.parts;
    const caller = await this.#identify(call, account);
    if (this.#shuttingDown) throw shuttingDown();
    const requested = checkRecordingOptions(request.duration, request.options, limits);
    account.options = requested;
    const { container, side } = await admission.admit({
      caller,
      containerId: request.containerId,
      side: requested.side,
      signal: running.abort.signal,
      found: (container) => account.container = container,
    });
    account.allowed = true;
    const options = { ...requested, side };
    account.options = options;
    listener.accepted(recordingId);
    const leave = await queue.enter(
      {
        owner: ownerOf(container, caller, call),
        containerId: container.id,
        durationSeconds: options.durationSeconds,
      },
      AbortSignal.any([running.abort.signal, running.stop.signal]),
      (place) => listener.queued(place),
    ).catch((error) => {
      throw running.stop.signal.reason === "shutdown" ? shuttingDown() : error;
    });
    running.admitted = true;
    try {
      const result = await store.create(recordingId, caller);
      const control = { abort: running.abort.signal, stop: running.stop.signal };
      const output = store.writable(result);
      const observer: RecordingObserver = {
        ...listener,
        started: (processes) => listener.started(processes, side),
        converting: () => {
          running.sampled = true;
          listener.converting();
        },
        missed: this.#logMissed(recordingId),
        perfFailed: ({ message: error }) =>
          this.parts.log.warning("perf failed", { requestId: recordingId, error }),
      };
      const summary = await record(this.parts, container, options, output, control, observer);
      if (request.kept) await store.keep(result, summary);
      else result.finish(result.describe(summary));
      return describe(result);
    } catch (error) {
      await store.delete(recordingId);
      throw error;
    } finally {
      leave();
    }
  }

  #logMissed(requestId: string): RecordingObserver["missed"] {
    return (pids, { message: error }) =>
      this.parts.log.warning("processes that entered are not recorded", { requestId, pids, error });
  }

  async #identify(call: Call, account: Account): Promise<Caller> {
    const caller = await this.parts.admission.identify(call.credentials);
    account.caller = caller;
    account.onCaller?.(caller);
    call.identified();
    return caller;
  }

  /** Accounts for a request for a recording, in the metrics too. */
  async #accountRecording(
    recordingId: string,
    request: RecordingRequest,
    call: Call,
    run: (account: Account) => Promise<FinishedRecording>,
  ): Promise<FinishedRecording> {
    const account: Account = { containerId: quote(request.containerId) };
    const startedAt = performance.now();
    const count = (outcome: string) =>
      this.parts.metrics.recordingEnded(outcome, (performance.now() - startedAt) / 1000);
    return await this.#account("recording", recordingId, call, account, async () => {
      try {
        const finished = await run(account);
        const { completeness, samples, lostSamples, throttled, sizeBytes } = finished;
        account.result = { outcome: completeness, samples, lostSamples, throttled, sizeBytes };
        count(completeness);
        return finished;
      } catch (error) {
        count(outcomeOf(error));
        throw error;
      }
    });
  }

  /** Accounts for a request that is about a recording. Its id may be any text. */
  #accountOther<T>(
    recordingId: string,
    call: Call,
    run: (account: Account) => Promise<T>,
  ): Promise<T> {
    const account: Account = {};
    const id = /^[0-9a-f-]{36}$/.test(recordingId) ? recordingId : quote(recordingId);
    return this.#account("request", id, call, account, () => run(account));
  }

  /** Writes to the log who asked for what, what was decided, and what became of it: one line. */
  async #account<T>(
    what: "recording" | "request",
    requestId: string,
    call: Call,
    account: Account,
    run: () => Promise<T>,
  ): Promise<T> {
    const { log } = this.parts;
    const startedAt = performance.now();
    const describe = (end: Record<string, unknown>) => ({
      requestId,
      method: call.method,
      peer: call.peer,
      user: account.caller?.user || undefined,
      groups: account.caller?.user ? account.caller.groups : undefined,
      containerId: account.container?.id ?? account.containerId,
      ...describePod(account.container),
      options: account.options,
      sentBytes: account.sentBytes,
      durationSeconds: (performance.now() - startedAt) / 1000,
      ...end,
    });
    try {
      const done = await run();
      log.info(
        `${what} finished`,
        describe({ decision: "allowed", outcome: "ok", ...account.result }),
      );
      return done;
    } catch (error) {
      const { message, stack } = error as Error;
      const outcome = outcomeOf(error);
      const decision = decisionOf(error, account);
      const properties = describe({ decision, outcome, error: message, reason: reasonOf(error) });
      if (outcome === "internal") log.error(`${what} failed`, { ...properties, stack });
      else log.info(`${what} refused or failed`, properties);
      throw error;
    }
  }
}

/** What the log says of a request, filled in as it becomes known. */
interface Account {
  caller?: Caller;
  onCaller?: (caller: Caller) => void;
  /** As the request has it, fit to be printed. */
  containerId?: string;
  container?: Container;
  options?: RequestedOptions;
  allowed?: boolean;
  sentBytes?: number;
  result?: Record<string, unknown>;
}

function outcomeOf(error: unknown): string {
  return error instanceof StatusError ? error.status.toLowerCase() : "internal";
}

function decisionOf(error: unknown, account: Account): "allowed" | "denied" | "error" {
  if (account.allowed) return "allowed";
  const { status, cause } = error instanceof StatusError ? error : {};
  const denied = status === "PERMISSION_DENIED" || status === "UNAUTHENTICATED" ||
    cause instanceof AnothersError;
  return denied ? "denied" : "error";
}

/** What the caller is not told. */
function reasonOf(error: unknown): string | undefined {
  const { cause } = error as Error;
  return cause instanceof Error ? cause.message : undefined;
}

/** Why something that is there is not for a caller. */
class AnothersError extends Error {}

/** Lets on that something is there only to whoever asked for it to be made. */
function requireOwn(
  caller: Caller,
  owner: Owner | undefined,
  account: Account,
  words: string,
): void {
  account.allowed = owner !== undefined && isSameCaller(caller, owner);
  if (account.allowed) return;
  const cause = owner && new AnothersError(`it is of user ${quote(owner.user)}`);
  throw new StatusError("NOT_FOUND", `recording_id: ${words}`, { cause });
}

function describe({ name, whole, keptSeconds }: Result): FinishedRecording {
  return { recordingId: name, ...whole!, keptSeconds };
}

function shuttingDown(): StatusError {
  return new StatusError("UNAVAILABLE", "the daemon of this node is shutting down: try again");
}

/**
 * Whose turn in the queue a recording takes: the namespace's, which an administrator makes. Users
 * are no measure, as a tenant can make any number of service accounts. Where nobody is asked who
 * they are, it is the address that the call comes from.
 */
function ownerOf(container: Container, caller: Caller, call: Call): string {
  return caller === ANYONE ? addressOf(call) : `namespace ${container.podNamespace}`;
}

/** Who shares places with others where no container is named: the namespace of a service account. */
function tenantOf(caller: Caller, call: Call): string {
  if (caller === ANYONE) return addressOf(call);
  const [, namespace] = /^system:serviceaccount:([^:]+):/.exec(caller.user) ?? [];
  return namespace === undefined ? `user ${caller.user}` : `namespace ${namespace}`;
}

function addressOf({ peer }: Call): string {
  return `address ${peer.slice(0, peer.lastIndexOf(":"))}`;
}

function describePod(container: Container | undefined): Record<string, string | undefined> {
  return {
    podNamespace: container?.podNamespace,
    pod: container?.podName,
    podUid: container?.podUid,
    container: container?.containerName,
  };
}

function deadline(seconds: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, seconds * 1000);
  signal?.addEventListener("abort", () => resolve(), { once: true });
  if (signal?.aborted) resolve();
  return promise.finally(() => clearTimeout(timer));
}
