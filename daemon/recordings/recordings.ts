import type { Admission, AdmissionAnswer } from "../access/admission.ts";
import { type Caller, isSameCaller, type Owner } from "../caller.ts";
import type { ContainerLookup } from "../containers/container.ts";
import type { Log } from "../operations/log.ts";
import type { Metrics } from "../operations/metrics.ts";
import type { RecordingOptions } from "../recording.ts";
import { audit, type AuditEntry } from "./audit.ts";
import { DownloadSlots } from "./download_slots.ts";
import { type Perf, record, type RecordingObserver } from "./recorder.ts";
import type { Call, RecordingListener, RecordingRequest } from "./recording_call.ts";
import { checkRecordingOptions, type Limits } from "./recording_options.ts";
import type { RecordingQueue } from "./recording_queue.ts";
import { type RunningRecording, RunningRecordings } from "./running_recordings.ts";
import { downloadShare, queueShare } from "./shares.ts";
import { quote } from "../quote.ts";
import type { Result, WholeResult } from "../results/result.ts";
import type { ResultStore } from "../results/result_store.ts";
import { StatusError } from "../status_error.ts";

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

/** One request for a recording, on its way to a result. */
interface Job {
  id: string;
  request: RecordingRequest;
  listener: RecordingListener;
  call: Call;
  entry: AuditEntry;
  running: RunningRecording;
}

/** How many results may be read at a time. Those that wait for their readers take 100 MB then. */
const MAX_READERS = 256;

/** The recordings of this daemon, from the request to the result. */
export class Recordings {
  readonly #running = new RunningRecordings();
  readonly #downloads = new DownloadSlots(MAX_READERS);
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
  run(
    request: RecordingRequest,
    listener: RecordingListener,
    call: Call,
  ): Promise<FinishedRecording> {
    const { log, metrics } = this.parts;
    const id = crypto.randomUUID();
    const entry = { ...newEntry("recording", id, call), containerId: quote(request.containerId) };
    const count = (outcome: string, seconds: number) => metrics.recordingEnded(outcome, seconds);
    return this.#running.start(id, async (running) => {
      const giveUp = () => {
        // A caller that is lost after the sampling may come back for the result.
        if (!request.kept || !running.sampled) running.abort.abort(call.signal.reason);
      };
      call.signal.addEventListener("abort", giveUp, { once: true });
      if (call.signal.aborted) giveUp();
      const job = { id, request, listener, call, entry, running };
      try {
        return await audit(log, entry, () => this.#run(job), count);
      } finally {
        call.signal.removeEventListener("abort", giveUp);
      }
    });
  }

  /** Ends the sampling of a recording early. Rejects with `NOT_FOUND` when the caller runs none. */
  stop(recordingId: string, call: Call): Promise<void> {
    return this.#audit(recordingId, call, async (entry) => {
      const caller = await this.#identify(call, entry);
      const running = this.#running.get(recordingId);
      requireOwn(caller, running?.caller, entry, "no such recording runs on this node");
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
    return this.#audit(recordingId, call, async (entry) => {
      const caller = await this.#identify(call, entry);
      const result = this.parts.store.get(recordingId);
      requireOwn(caller, result?.owner, entry, "this node keeps no such result");
      this.#downloads.take(downloadShare(caller, call.peer), call.signal);
      entry.sentBytes = 0;
      for await (const data of result!.read(offset, call.signal)) {
        entry.sentBytes += data.length;
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
    return this.#audit(recordingId, call, async (entry) => {
      const caller = await this.#identify(call, entry);
      const running = this.#running.get(recordingId);
      const owner = running?.caller ?? this.parts.store.get(recordingId)?.owner;
      requireOwn(caller, owner, entry, "this node keeps no such result");
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
    await this.#running.shutDown(graceSeconds, now);
  }

  async #run(job: Job): Promise<FinishedRecording> {
    const { request, call, entry, running } = job;
    const caller = running.caller = await this.#identify(call, entry);
    if (this.#shuttingDown) throw shuttingDown();
    const requested = checkRecordingOptions(request.duration, request.options, this.parts.limits);
    entry.options = requested;
    const { containerId } = request;
    const { side } = requested;
    const asked = { caller, containerId, side, signal: running.abort.signal };
    const admitted = requireAllowed(await this.parts.admission.admit(asked), entry);
    const options = entry.options = { ...requested, side: admitted.side };
    job.listener.accepted(job.id);
    const leave = await this.#waitForTurn(job, admitted, options);
    try {
      const finished = await this.#record(job, admitted, options);
      const { completeness: outcome, samples, lostSamples, throttled } = finished;
      const { missedProcesses, sizeBytes } = finished;
      entry.result = { outcome, samples, lostSamples, throttled, missedProcesses, sizeBytes };
      return finished;
    } finally {
      leave();
    }
  }

  /** Waits in the queue and resolves with what gives the place back. */
  async #waitForTurn(
    { call, running, listener }: Job,
    { container, owner }: Admitted,
    { durationSeconds }: RecordingOptions,
  ): Promise<() => void> {
    const share = queueShare(running.caller!, owner?.podNamespace, call.peer);
    const signal = AbortSignal.any([running.abort.signal, running.stop.signal]);
    try {
      const leave = await this.parts.queue.enter(
        { owner: share, containerId: container.id, durationSeconds },
        signal,
        (place) => listener.queued(place),
      );
      running.admitted = true;
      return leave;
    } catch (error) {
      throw running.stop.signal.reason === "shutdown" ? shuttingDown() : error;
    }
  }

  /** Records into a new result. Nothing of it is left when that fails. */
  async #record(
    { id, request, running, listener }: Job,
    { container, side }: Admitted,
    options: RecordingOptions,
  ): Promise<FinishedRecording> {
    const { store, log } = this.parts;
    const observer: RecordingObserver = {
      ...listener,
      started: (processes) => listener.started(processes, side),
      converting: () => {
        running.sampled = true;
        listener.converting();
      },
      missed: (processes, reason) =>
        log.warning("processes that entered are not recorded", {
          requestId: id,
          processes,
          reason,
        }),
      perfFailed: ({ message: error }) => log.warning("perf failed", { requestId: id, error }),
    };
    const control = { abort: running.abort.signal, stop: running.stop.signal };
    try {
      const result = await store.create(id, running.caller!);
      const output = store.writable(result);
      const summary = await record(this.parts, container, options, output, control, observer);
      if (request.kept) await store.keep(result, summary);
      else result.finish(result.describe(summary));
      return describe(result);
    } catch (error) {
      await store.delete(id);
      throw error;
    }
  }

  async #identify(call: Call, entry: AuditEntry): Promise<Caller> {
    entry.caller = await this.parts.admission.identify(call.credentials);
    call.identified();
    return entry.caller;
  }

  /** Audits a request that is about a recording. Its id may be any text. */
  #audit<T>(
    recordingId: string,
    call: Call,
    run: (entry: AuditEntry) => Promise<T>,
  ): Promise<T> {
    const id = /^[0-9a-f-]{36}$/.test(recordingId) ? recordingId : quote(recordingId);
    const entry = newEntry("request", id, call);
    return audit(this.parts.log, entry, () => run(entry));
  }
}

function newEntry(
  kind: AuditEntry["kind"],
  requestId: string,
  { method, peer }: Call,
): AuditEntry {
  return { kind, requestId, method, peer };
}

type Admitted = Extract<AdmissionAnswer, { decision: "allowed" }>;

/** Notes what was decided, and throws unless that allows the recording. */
function requireAllowed(answer: AdmissionAnswer, entry: AuditEntry): Admitted {
  const { decision, container, owner } = answer;
  Object.assign(entry, { decision, container, owner });
  if (answer.decision === "allowed") return answer;
  throw answer.error;
}

/** Lets on that something is there only to the caller who asked for it to be made. */
function requireOwn(
  caller: Caller,
  owner: Owner | undefined,
  entry: AuditEntry,
  message: string,
): void {
  const own = owner !== undefined && isSameCaller(caller, owner);
  entry.decision = own ? "allowed" : owner ? "denied" : "error";
  if (own) return;
  const cause = owner && new Error(`it is of user ${quote(owner.user)}`);
  throw new StatusError("NOT_FOUND", `recording_id: ${message}`, { cause });
}

function describe({ name, whole, keptSeconds }: Result): FinishedRecording {
  return { recordingId: name, ...whole!, keptSeconds };
}

function shuttingDown(): StatusError {
  return new StatusError("UNAVAILABLE", "the daemon of this node is shutting down: try again");
}
