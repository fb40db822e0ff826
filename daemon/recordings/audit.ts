import type { PodOwner } from "../access/pod_owner.ts";
import type { Caller } from "../caller.ts";
import type { Container } from "../containers/container.ts";
import type { Log } from "../operations/log.ts";
import type { RequestedOptions } from "../recording.ts";
import { StatusError } from "../status_error.ts";

/** What the log says of one request. It is filled in as things become known. */
export interface AuditEntry {
  /** `recording`: the request for one; `request`: one that is about a recording. */
  kind: "recording" | "request";
  /** The recording's id. */
  requestId: string;
  method: string;
  peer: string;
  caller?: Caller;
  /** As the request has it, fit to be printed. */
  containerId?: string;
  container?: Container;
  /** The pod that the container was shown to belong to. */
  owner?: PodOwner;
  options?: RequestedOptions;
  /** Missing until it is decided. */
  decision?: Decision;
  /** Bytes of a result that went to the caller. */
  sentBytes?: number;
  /** What came of a recording. */
  result?: { outcome: string } & Record<string, unknown>;
}

/** Whether a caller may do what they ask for; `error` when nobody got to say so. */
type Decision = "allowed" | "denied" | "error";

/**
 * Runs what a request asks for and writes its entry to the log, one line, when that has ended.
 * `onEnd` hears what became of it and how long it took.
 */
export async function audit<T>(
  log: Log,
  entry: AuditEntry,
  run: () => Promise<T>,
  onEnd: (outcome: string, durationSeconds: number) => void = () => {},
): Promise<T> {
  const startedAt = performance.now();
  const end = (outcome: string) => {
    const durationSeconds = (performance.now() - startedAt) / 1000;
    onEnd(outcome, durationSeconds);
    return { ...describe(entry), durationSeconds };
  };
  try {
    const done = await run();
    const { outcome = "ok", ...result } = entry.result ?? {};
    const properties = { ...end(outcome), decision: "allowed", outcome, ...result };
    log.info(`${entry.kind} finished`, properties);
    return done;
  } catch (error) {
    const { message, stack } = error as Error;
    const outcome = outcomeOf(error);
    const decision = isDenial(error) ? "denied" : entry.decision ?? "error";
    const properties = {
      ...end(outcome),
      ...{ decision, outcome, error: message, reason: reasonOf(error) },
    };
    if (outcome === "internal") log.error(`${entry.kind} failed`, { ...properties, stack });
    else log.info(`${entry.kind} refused or failed`, properties);
    throw error;
  }
}

/**
 * What newer API servers say of a service account's token, and write into their own audit log when
 * they issue it: so it can be found who requested it.
 */
const CREDENTIAL_ID = "authentication.kubernetes.io/credential-id";

function describe(entry: AuditEntry): Record<string, unknown> {
  const { requestId, method, peer, caller, container, options, sentBytes } = entry;
  const { podNamespace, podName: pod, containerName } = entry.owner ?? container ?? {};
  return {
    ...{ requestId, method, peer },
    user: caller?.user || undefined,
    groups: caller?.user ? caller.groups : undefined,
    credentialId: caller?.extra[CREDENTIAL_ID]?.[0],
    containerId: container?.id ?? entry.containerId,
    ...{ podNamespace, pod, podUid: container?.podUid, container: containerName },
    ...{ options, sentBytes },
  };
}

function outcomeOf(error: unknown): string {
  return error instanceof StatusError ? error.status.toLowerCase() : "internal";
}

/** Also of what was allowed before: a right may be taken away meanwhile. */
function isDenial(error: unknown): boolean {
  const denials = ["PERMISSION_DENIED", "UNAUTHENTICATED"];
  return error instanceof StatusError && denials.includes(error.status);
}

/** The part of an error that the caller does not get. */
function reasonOf(error: unknown): string | undefined {
  const { cause } = error as Error;
  return cause instanceof Error ? cause.message : undefined;
}
