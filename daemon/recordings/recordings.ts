import { type Caller, isSameCaller, type Owner } from "../caller.ts";
import type { Metrics } from "../operations/metrics.ts";
import { quote } from "../quote.ts";
import type { Result, WholeResult } from "../results/result.ts";
import { StatusError } from "../status_error.ts";
import { audit, type AuditEntry } from "./audit.ts";
import { Downloads } from "./downloads.ts";
import { orCancelled } from "./or_cancelled.ts";
import {
  type Call,
  ConnectionLostError,
  type RecordingListener,
  type RecordingRequest,
} from "./recording_call.ts";
import { type JobParts, runJob, shuttingDown } from "./recording_job.ts";
import { RunningRecordings } from "./running_recordings.ts";

/** A recording whose result is whole. */
export interface FinishedRecording extends WholeResult {
  recordingId: string;
  /** How long the result can still be fetched. */
  keptSeconds: number;
}

/** The parts that `Recordings` works with. */
interface RecordingParts extends JobParts {
  metrics: Metrics;
}

/** The recordings of this daemon, from the request to the result. */
export class Recordings {
  readonly #running = new RunningRecordings();
  readonly #downloads: Downloads;
  #shuttingDown = false;

  constructor(private readonly parts: RecordingParts) {
    this.#downloads = new Downloads(parts.admission);
  }

  /** Whether new recordings are taken. */
  get accepting(): boolean {
    return !this.#shuttingDown;
  }

  /**
   * Makes a recording and resolves when its result is whole. The result stays in the store under
   * the recording's id; it is for the caller to see to its end.
   *
   * Rejects with a `StatusError`; nothing is left then. Aborting the call gives the recording up,
   * unless its result is to be kept and its sampling has ended. One that samples, and whose
   * connection was lost, has some time in which its caller can come back by `fetch`.
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
        if (request.kept && running.sampled) return;
        const isLost = call.signal.reason instanceof ConnectionLostError;
        if (request.kept && running.started && isLost) running.abandonment.lost();
        else running.abort.abort(call.signal.reason);
      };
      call.signal.addEventListener("abort", giveUp, { once: true });
      if (call.signal.aborted) giveUp();
      const work = async () => {
        running.caller = await this.#identify(call, entry);
        if (this.#shuttingDown) throw shuttingDown();
        const job = { id, request, listener, call, entry, running };
        return describe(await runJob(this.parts, job, running.caller));
      };
      try {
        return await audit(log, entry, work, count);
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
   * Writes the bytes of a result from an offset on, following it while it is made, and resolves
   * with what the whole result is. `allowed` is called first, when nothing may have been made of it
   * yet. Rejects with `NOT_FOUND` when the caller has none, with `RESOURCE_EXHAUSTED` when too many
   * are read, and when the caller's right was taken away.
   */
  fetch(
    recordingId: string,
    offset: number,
    call: Call,
    write: (data: Uint8Array) => Promise<void>,
    allowed: () => Promise<void>,
  ): Promise<FinishedRecording> {
    return this.#audit(recordingId, call, async (entry) => {
      const caller = await this.#identify(call, entry);
      const result = this.parts.store.get(recordingId);
      requireOwn(caller, result?.owner, entry, "this node keeps no such result");
      entry.sentBytes = 0;
      const ended = this.#running.get(recordingId)?.abandonment.read();
      try {
        for await (const data of this.#downloads.read(result!, offset, caller, call, allowed)) {
          entry.sentBytes += data.length;
          await write(data);
        }
      } finally {
        ended?.();
      }
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

  async #identify(call: Call, entry: AuditEntry): Promise<Caller> {
    const { admission } = this.parts;
    const caller = await orCancelled(admission.identify(call.credentials), call.signal);
    entry.caller = caller;
    call.identified();
    return caller;
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
