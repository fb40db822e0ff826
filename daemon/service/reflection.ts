import { grpc, type loadPackageDefinition } from "../../proto/grpc.ts";
import { ReflectionService } from "@grpc/reflection";

/** Tools that explore a service make one call at a time, and a short one. */
const MAX_CALLS = 16;

/**
 * Adds server reflection. It needs no token, and its answers are a hundred times as large as the
 * questions: unlike `@grpc/reflection` by itself it reads no more of these while nobody takes
 * those. `drained` resolves when not too much waits for a peer.
 */
export function addReflection(
  server: grpc.Server,
  definition: ReturnType<typeof loadPackageDefinition>,
  drained: (peer: string) => Promise<void>,
): void {
  let calls = 0;
  const limit = (stream: grpc.ServerDuplexStream<unknown, unknown>): boolean => {
    if (calls >= MAX_CALLS) {
      const details = "too many calls of server reflection are under way: try again later";
      stream.emit("error", { code: grpc.status.RESOURCE_EXHAUSTED, details });
      return false;
    }
    calls++;
    let isUnderWay = true;
    for (const event of ["finish", "cancelled", "error", "close"]) {
      stream.once(event, () => {
        if (isUnderWay) calls--;
        isUnderWay = false;
      });
    }
    return true;
  };
  const adder = {
    addService(service: grpc.ServiceDefinition, handlers: grpc.UntypedServiceImplementation) {
      const paced = Object.entries(handlers).map(([name, handle]) => [
        name,
        (stream: grpc.ServerDuplexStream<unknown, unknown>) => {
          if (!limit(stream)) return;
          const paced = withBackPressure(stream, () => drained(stream.getPeer()));
          (handle as grpc.handleBidiStreamingCall<unknown, unknown>)(paced);
        },
      ]);
      server.addService(service, Object.fromEntries(paced));
    },
  };
  new ReflectionService(definition).addToServer(
    adder as Pick<grpc.Server, "addService"> as grpc.Server,
  );
}

/**
 * Reads one message after the other: the next when what is written has room on its way to the peer.
 */
function withBackPressure<Stream extends grpc.ServerDuplexStream<unknown, unknown>>(
  stream: Stream,
  drained: () => Promise<void>,
): Stream {
  const write = stream.write.bind(stream) as (message: unknown) => boolean;
  // With large windows a stream has room for everything, and it is the connection that has none.
  const resumeLater = () => setTimeout(() => drained().then(() => stream.resume()), 0);
  stream.write = (message: unknown) => {
    const hasRoom = write(message);
    stream.pause();
    if (hasRoom) resumeLater();
    else stream.once("drain", resumeLater);
    return hasRoom;
  };
  return stream;
}
