import { CliError, ExitStatus } from "./exit_status.ts";

/** A request to the API server, for messages. */
export interface ApiRequest {
  /** URL of the API server. */
  server: string;
  /** Where server and credentials were found. */
  origin: string;
  verb: "get" | "list" | "create";
  /** In the plural, as in a rule of RBAC. */
  resource: string;
  namespace: string;
  /** Of the one object that is asked for. */
  name?: string;
}

/** What came back instead of an answer: an HTTP status with the server's words, or no answer at all. */
export type ApiFailure =
  | { httpStatus: number; message: string }
  | { noAnswer: unknown };

/**
 * Puts a failed request to the API server into words, with its exit status: 3 for a pod that does
 * not exist, 4 for credentials or rights that are missing (a service account that does not exist is
 * one of them), 5 for a server that gives no answer.
 */
export function describeApiFailure(request: ApiRequest, failure: ApiFailure): CliError {
  const { server, origin, verb, resource, namespace, name } = request;
  const what = `${resource}${name === undefined || resource === "pods" ? "" : ` ${name}`}`;
  if ("noAnswer" in failure) {
    return new CliError(
      ExitStatus.UNREACHABLE,
      `cannot reach the API server ${server} (${origin}): ${rootCause(failure.noAnswer)}`,
      { cause: failure.noAnswer },
    );
  }
  const { httpStatus, message } = failure;
  if (httpStatus === 404 && resource === "pods" && name !== undefined) {
    return new CliError(
      ExitStatus.NOT_FOUND,
      `there is no pod ${namespace}/${name} (${origin}); ` +
        `\`kubectl get pods -n ${namespace}\` lists those there are`,
    );
  }
  if (httpStatus === 404 && resource === "serviceaccounts/token") {
    return new CliError(
      ExitStatus.NOT_ALLOWED,
      `no token for the daemon: there is no service account ${namespace}/${name} (${origin}); ` +
        `\`kubectl get serviceaccounts -n ${namespace}\` lists those there are`,
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
        ruleFor(request),
    );
  }
  return new CliError(
    httpStatus >= 500 ? ExitStatus.UNREACHABLE : ExitStatus.OTHER,
    `the API server ${server} failed to ${verb} ${what} in namespace ${namespace}: ` +
      `HTTP ${httpStatus}${message ? `, ${message}` : ""}`,
  );
}

function ruleFor({ verb, resource, name }: ApiRequest): string {
  // Whoever may make tokens of all service accounts can be any of them: name the one.
  const names = resource === "pods" ? "" : `resourceNames: [${name}], `;
  return `{apiGroups: [""], resources: [${resource}], ${names}verbs: [${verb}]}`;
}

/** The words of the innermost of errors that wrap each other. */
function rootCause(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return rootCause(error.cause);
  return error.message;
}
