import { CliError, ExitStatus } from "../../errors.ts";
import { escapeControls } from "../../escape_controls.ts";
import { formatRule, PORT_FORWARD } from "./rbac_rule.ts";
import { fullName, WORKLOAD_TYPES } from "./workload.ts";

/** A request to the API server, for messages. */
export interface ApiRequest {
  /** URL of the API server. */
  server: string;
  /** Where server and credentials were found. */
  origin: string;
  verb: "get" | "list" | "create";
  /** The plural, and the subresource if there is one. */
  resource: string;
  /** Default: the core group. */
  apiGroup?: string;
  namespace: string;
  /** Of the one object that is asked for. */
  name?: string;
}

/**
 * What came back instead of an answer: an HTTP status with the server's words, or no answer at all.
 */
export type ApiFailure =
  | { httpStatus: number; message: string }
  | { noAnswer: unknown };

/**
 * Puts a failed request to the API server into words, with its exit status: 2 for selectors that
 * are not understood, 3 for a pod or a workload that does not exist, 4 for credentials or rights
 * that are missing (a service account that does not exist is one of them), 5 for a server that
 * gives no answer.
 */
export function describeApiFailure(request: ApiRequest, failure: ApiFailure): CliError {
  const { server, origin, verb, resource, apiGroup = "", namespace, name } = request;
  const type = fullName({ resource, apiGroup });
  // Of a subresource it is the object that may be missing.
  const objects = type.replace(/\/.*/, "");
  const what = `${type}${name === undefined || objects === "pods" ? "" : ` ${name}`}`;
  if ("noAnswer" in failure) {
    return new CliError(
      ExitStatus.UNREACHABLE,
      `cannot reach the API server ${server} (${origin}): ${rootCause(failure.noAnswer)}`,
      { cause: failure.noAnswer },
    );
  }
  const { httpStatus } = failure;
  const message = escapeControls(failure.message);
  if (httpStatus === 404 && resource === "serviceaccounts/token") {
    return new CliError(
      ExitStatus.NOT_ALLOWED,
      `no token for the daemon: there is no service account ${namespace}/${name} (${origin}); ` +
        `\`kubectl get serviceaccounts -n ${namespace}\` lists those there are`,
    );
  }
  if (httpStatus === 404 && name !== undefined) {
    return new CliError(
      ExitStatus.NOT_FOUND,
      `there is no ${singular(objects)} ${namespace}/${name}: ${
        message || "not found"
      } (${origin}); ` +
        `\`kubectl get ${objects} -n ${namespace}\` lists those there are`,
    );
  }
  if (httpStatus === 400 && verb === "list") {
    return new CliError(
      ExitStatus.USAGE,
      `the API server does not understand the selector: ${message}`,
    );
  }
  if (httpStatus === 401) {
    return new CliError(
      ExitStatus.NOT_ALLOWED,
      `the API server ${server} does not accept the credentials of ${origin}; log in again?`,
    );
  }
  if (httpStatus === 403) {
    return new CliError(
      ExitStatus.NOT_ALLOWED,
      `not allowed to ${verb} ${what} in namespace ${namespace} (${message || origin})\n` +
        `a Role in namespace ${namespace} with this rule, bound to that user, allows it: ` +
        ruleFor(request) + (selectsPods(type) ? `\n${SELECTOR_HINT}` : ""),
    );
  }
  return new CliError(
    httpStatus >= 500 ? ExitStatus.UNREACHABLE : ExitStatus.OTHER,
    `the API server ${server} failed to ${verb} ${what} in namespace ${namespace}: ` +
      `HTTP ${httpStatus}${message ? `, ${message}` : ""}` +
      (isRefusedUpgrade(request, httpStatus) ? `\n${UPGRADE_HINT}` : ""),
  );
}

/**
 * What an API server says, or a proxy, when no request for a WebSocket arrives or none is taken.
 */
function isRefusedUpgrade({ resource }: ApiRequest, httpStatus: number): boolean {
  return resource === PORT_FORWARD && [200, 400, 426, 501].includes(httpStatus);
}

const UPGRADE_HINT =
  "a proxy between this machine and the API server may block WebSockets; check whether " +
  "`kubectl port-forward` works";

const SELECTOR_HINT =
  "selecting its pods by their labels, with -l, needs only the right to list pods";

function selectsPods(type: string): boolean {
  return WORKLOAD_TYPES.some((workload) => fullName(workload) === type);
}

function singular(type: string): string {
  if (type === "pods") return "pod";
  return WORKLOAD_TYPES.find((workload) => fullName(workload) === type)?.singular ?? type;
}

function ruleFor({ verb, resource, apiGroup, name }: ApiRequest): string {
  // The right to make tokens of all service accounts is the right to be any of them: name the one.
  const isOne = resource === "configmaps" || resource === "serviceaccounts/token";
  return formatRule({ verb, apiGroup, resource, name: isOne ? name : undefined });
}

/** The words of the innermost of errors that wrap each other. */
function rootCause(error: unknown): string {
  if (!(error instanceof Error)) return escapeControls(String(error));
  if (error.cause instanceof Error) return rootCause(error.cause);
  return escapeControls(error.message);
}
