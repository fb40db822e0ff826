import { grpc, loadCri } from "../../proto/grpc.ts";
import type { ContainerStatusResponse__Output } from "../../proto/gen/runtime/v1/ContainerStatusResponse.ts";
import { quote } from "../quote.ts";
import { StatusError } from "../status_error.ts";

/** A container's status, as the runtime reports it. */
export interface RuntimeContainer {
  id: string;
  /** A name of `ContainerState` in `proto/cri.proto`, such as `CONTAINER_RUNNING`. */
  state: string;
  labels: Record<string, string>;
  /** What the runtime knows beyond the interface, in a form of its own. */
  info: Record<string, string>;
}

/** A connection to a container runtime. Rejections are `StatusError`s. */
export interface Cri {
  /** Asks for a container's status; undefined when the runtime knows no such container. */
  containerStatus(id: string, signal?: AbortSignal): Promise<RuntimeContainer | undefined>;

  /** Rejects with words for an administrator when the runtime cannot be asked. */
  check(): Promise<void>;

  /** Closes the connection. */
  close(): void;
}

/** How long the runtime may take for an answer, unless told. */
const DEADLINE_MS = 5000;

/**
 * Connects to the runtime's socket, when it is first asked and again whenever the runtime has been
 * restarted. Throws a `RangeError` for an endpoint of another form than `unix:///path`.
 */
export function connectCri(
  endpoint: string,
  { deadlineMs = DEADLINE_MS }: { deadlineMs?: number } = {},
): Cri {
  if (!/^unix:\/\/\/./.test(endpoint)) {
    throw new RangeError(
      `'endpoint' must be a unix socket such as unix:///run/containerd/containerd.sock, ` +
        `not ${quote(endpoint)}`,
    );
  }
  const { RuntimeService } = loadCri();
  const client = new RuntimeService(endpoint, grpc.credentials.createInsecure(), {
    // The default is the socket's path, percent-encoded, which Go's HTTP/2 refuses.
    "grpc.default_authority": "localhost",
    // A runtime is restarted within seconds; grpc's default waits up to two minutes to try again.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    // The limit of containerd's own clients: the verbose status holds the container's whole spec.
    "grpc.max_receive_message_length": 16 * 2 ** 20,
  });
  let answered = false;

  function ask(
    containerId: string,
    signal?: AbortSignal,
  ): Promise<ContainerStatusResponse__Output> {
    return new Promise((resolve, reject) => {
      const call = client.ContainerStatus(
        { containerId, verbose: true },
        { deadline: Date.now() + deadlineMs },
        (error, response) => {
          signal?.removeEventListener("abort", cancel);
          if (error?.code === grpc.status.NOT_FOUND) answered = true;
          if (error) return reject(error);
          answered = true;
          resolve(response!);
        },
      );
      const cancel = () => call.cancel();
      if (signal?.aborted) cancel();
      signal?.addEventListener("abort", cancel);
    });
  }

  const cri: Cri = {
    async containerStatus(id, signal) {
      let response: ContainerStatusResponse__Output;
      try {
        response = await ask(id, signal);
      } catch (error) {
        if ((error as grpc.ServiceError).code === grpc.status.NOT_FOUND) return undefined;
        throw statusErrorOf(error as grpc.ServiceError, endpoint, deadlineMs);
      }
      const { status, info } = response;
      if (status?.id !== id) {
        // Runtimes take the beginning of an id for the whole.
        throw new StatusError(
          "INTERNAL",
          `the container runtime at ${endpoint} answered about another container than asked`,
        );
      }
      return { id, state: status.state, labels: status.labels, info };
    },

    async check() {
      // An open connection that has answered once is proof enough. A runtime writes a line into its
      // log whenever it is asked for a container that it does not know, and probes ask often.
      const connected = client.getChannel().getConnectivityState(false);
      if (answered && connected === grpc.connectivityState.READY) return;
      await cri.containerStatus("0".repeat(64));
    },

    close: () => client.close(),
  };
  return cri;
}

function unreachable(endpoint: string, details: string): StatusError {
  return new StatusError(
    "UNAVAILABLE",
    `cannot reach the container runtime at ${endpoint}: ${quote(details, 200)}`,
  );
}

/** What a failed call means to the caller. */
function statusErrorOf(
  error: grpc.ServiceError,
  endpoint: string,
  deadlineMs: number,
): StatusError {
  // grpc-js's INTERNAL for a connection that broke under the call, as when the runtime is killed.
  if (/^Received RST_STREAM .* internal client error/.test(error.details)) {
    return unreachable(endpoint, error.details);
  }
  switch (error.code) {
    case grpc.status.UNAVAILABLE:
      return unreachable(endpoint, error.details);
    case grpc.status.DEADLINE_EXCEEDED:
      return unreachable(endpoint, `no answer within ${deadlineMs / 1000} s`);
    case grpc.status.CANCELLED:
      return new StatusError("CANCELLED", "the caller gave up");
    case grpc.status.UNIMPLEMENTED:
      return new StatusError(
        "UNAVAILABLE",
        `what listens at ${endpoint} does not speak the Container Runtime Interface runtime.v1 ` +
          "(containerd from 1.6, CRI-O from 1.23)",
      );
    default:
      return new StatusError(
        "INTERNAL",
        `the container runtime at ${endpoint} failed: ${
          quote(error.details ?? String(error), 200)
        }`,
        { cause: error },
      );
  }
}
