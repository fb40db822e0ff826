import type { grpc, loadPackageDefinition } from "../../proto/grpc.ts";
import { ReflectionService } from "@grpc/reflection";

/**
 * Adds server reflection. It needs no token, and its answers are a hundred times as large as the
 * questions: unlike `@grpc/reflection` by itself it reads no more of these while nobody takes those.
 */
export function addReflection(
  server: grpc.Server,
  definition: ReturnType<typeof loadPackageDefinition>,
): void {
  const adder = {
    addService(service: grpc.ServiceDefinition, handlers: grpc.UntypedServiceImplementation) {
      const paced = Object.entries(handlers).map(([name, handle]) => [
        name,
        (stream: grpc.ServerDuplexStream<unknown, unknown>) =>
          (handle as grpc.handleBidiStreamingCall<unknown, unknown>)(withBackPressure(stream)),
      ]);
      server.addService(service, Object.fromEntries(paced));
    },
  };
  new ReflectionService(definition).addToServer(
    adder as Pick<grpc.Server, "addService"> as grpc.Server,
  );
}

function withBackPressure<Stream extends grpc.ServerDuplexStream<unknown, unknown>>(
  stream: Stream,
): Stream {
  const write = stream.write.bind(stream) as (message: unknown) => boolean;
  stream.write = (message: unknown) => {
    const hasRoom = write(message);
    if (!hasRoom) {
      stream.pause();
      stream.once("drain", () => stream.resume());
    }
    return hasRoom;
  };
  return stream;
}
