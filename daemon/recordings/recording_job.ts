import type { Admission, AdmissionAnswer } from "../access/admission.ts";
import type { Caller, Grant } from "../caller.ts";
import type { ContainerLookup } from "../containers/container.ts";
import type { OpenCpuMeter } from "../containers/cpu_meter.ts";
import type { Log } from "../operations/log.ts";
import type { RecordingOptions, RequestedOptions } from "../recording.ts";
import type { Result } from "../results/result.ts";
import type { ResultStore } from "../results/result_store.ts";
import { StatusError } from "../status_error.ts";
import type { AuditEntry } from "./audit.ts";
import { orCancelled } from "./or_cancelled.ts";
import { type Perf, record, type RecordingObserver } from "./recorder.ts";
import type { Call, RecordingListener, RecordingRequest } from "./recording_call.ts";
import { checkRecordingOptions, type Limits } from "./recording_options.ts";
import type { RecordingQueue } from "./recording_queue.ts";
import type { RunningRecording } from "./running_recordings.ts";
import { queueShare } from "./shares.ts";

/** The parts that a recording job works with. */
export interface JobParts {
  admission: Admission;
  lookup: ContainerLookup;
  perf: Perf;
  limits: Limits;
  /** How long perf script may go on after the sampling has ended. */
  conversionTimeoutSeconds: number;
  queue: RecordingQueue;
  store: ResultStore;
  log: Log;
  openCpuMeter: OpenCpuMeter;
}

/** One request for a recording. */
interface Job {
  id: string;
  request: RecordingRequest;
  listener: RecordingListener;
  call: Call;
  entry: AuditEntry;
  running: RunningRecording;
}

type Admitted = Extract<AdmissionAnswer, { decision: "allowed" }>;

/**
 * Brings a caller's request from the check of what it asks for, by way of the queue, to a whole
 * result in the store. Whether the caller may have it is asked before it waits, before it starts,
 * and for a result that is not kept at its end; who fetches one that is kept is asked about then.
 *
 * Rejects with a `StatusError`; nothing is left then.
 */
export async function runJob(parts: JobParts, job: Job, caller: Caller): Promise<Result> {
  const { request, entry, listener } = job;
  const requested = checkRecordingOptions(request.duration, request.options, parts.limits);
  entry.options = requested;
  let admitted = await admit(parts, job, caller, requested);
  listener.accepted(job.id);
  const turn = await waitForTurn(parts, job, queueShare(caller, admitted.owner, job.call.peer), {
    containerId: admitted.container.id,
    durationSeconds: requested.durationSeconds,
  });
  try {
    if (turn.waited) {
      // The right may have been taken away meanwhile, or a part of it.
      admitted = await admit(parts, job, caller, requested);
      await confirm(parts, job, caller, admitted);
    }
    const options = { ...requested, side: admitted.side };
    const result = await recordResult(parts, job, caller, admitted, options);
    const { completeness: outcome, samples, lostSamples, throttled } = result.whole!;
    const { missedProcesses, sizeBytes } = result.whole!;
    entry.result = { outcome, samples, lostSamples, throttled, missedProcesses, sizeBytes };
    return result;
  } finally {
    turn.leave();
  }
}

/** Asks whether a recording is allowed, and what of it. */
async function admit(
  { admission }: JobParts,
  { request: { containerId }, entry, running }: Job,
  caller: Caller,
  requested: RequestedOptions,
): Promise<Admitted> {
  const { signal } = running.abort;
  const asked = { caller, containerId, side: requested.side, signal };
  const answer = await orCancelled(admission.admit(asked), signal);
  const { decision, container, owner } = answer;
  Object.assign(entry, { decision, container, owner });
  if (answer.decision !== "allowed") throw answer.error;
  entry.options = { ...requested, side: answer.side };
  return answer;
}

/** Makes sure that what was allowed still is. */
async function confirm(
  { admission }: JobParts,
  { call: { credentials }, running }: Job,
  caller: Caller,
  admitted: Admitted,
): Promise<void> {
  const grant = grantOf(admitted);
  if (!grant) return;
  await orCancelled(admission.confirm(caller, credentials, grant), running.abort.signal);
}

/** The right that the caller must still have when the result is handed out. */
function grantOf({ owner, side }: Admitted): Grant | undefined {
  return owner && { podNamespace: owner.podNamespace, podName: owner.podName, side };
}

/** Waits in the queue. `leave` gives the place back. */
async function waitForTurn(
  { queue }: JobParts,
  { running, listener }: Job,
  share: string,
  what: { containerId: string; durationSeconds: number },
): Promise<{ leave: () => void; waited: boolean }> {
  let waited = false;
  try {
    const leave = await queue.enter(
      { owner: share, ...what },
      AbortSignal.any([running.abort.signal, running.stop.signal]),
      (place) => {
        waited = true;
        listener.queued(place);
      },
    );
    running.admitted = true;
    return { leave, waited };
  } catch (error) {
    throw running.stop.signal.reason === "shutdown" ? shuttingDown() : error;
  }
}

/** Records into a new result. Nothing of it is left when that fails. */
async function recordResult(
  parts: JobParts,
  job: Job,
  caller: Caller,
  admitted: Admitted,
  options: RecordingOptions,
): Promise<Result> {
  const { store, log } = parts;
  const { id, request, running, listener } = job;
  const { container } = admitted;
  using meter = await parts.openCpuMeter(container);
  const observer: RecordingObserver = {
    ...listener,
    started: (processes) => {
      meter.start();
      running.started = true;
      listener.started(processes, options);
    },
    converting: () => {
      meter.stop();
      running.sampled = true;
      running.abandonment.end();
      listener.converting();
    },
    missed: (processes, reason) =>
      log.warning("processes that entered are not recorded", { requestId: id, processes, reason }),
    perfFailed: ({ message: error }) => log.warning("perf failed", { requestId: id, error }),
  };
  const control = { abort: running.abort.signal, stop: running.stop.signal };
  try {
    const result = await store.create(id, caller, grantOf(admitted));
    const output = store.writable(result);
    const recorded = await record(parts, container, options, output, control, observer);
    const summary = { ...recorded, ...await meter.read() };
    if (request.kept) {
      await store.keep(result, summary);
    } else {
      // The call that made it gets it at once.
      await confirm(parts, job, caller, admitted);
      result.finish(result.describe(summary));
    }
    return result;
  } catch (error) {
    await store.delete(id);
    throw error;
  }
}

/** For those who ask for a recording of a daemon that ends. */
export function shuttingDown(): StatusError {
  return new StatusError("UNAVAILABLE", "the daemon of this node is shutting down: try again");
}
