import { grpc } from "../../proto/grpc.ts";
import type { loadNecoPerfDefinition } from "../../proto/grpc.ts";
import { checkMessage, type FieldDescriptor } from "./wire_format.ts";

type PackageDefinition = ReturnType<typeof loadNecoPerfDefinition>;

/** What grpc-js says of a request that it makes nothing of, with statuses that blame the server. */
const MALFORMED: [status: grpc.status, details: RegExp, ours: string][] = [
  [
    grpc.status.INTERNAL,
    /^Error deserializing request/,
    "the request is not a message of this method",
  ],
  [
    grpc.status.INTERNAL,
    /^Failed to decompress message/,
    "the request is not compressed as grpc-encoding says",
  ],
  [grpc.status.UNIMPLEMENTED, /^Received no request message/, "the request has no whole message"],
  [
    grpc.status.UNIMPLEMENTED,
    /^Received a second request message/,
    "the request has more than one message",
  ],
];

/** Answers with `INVALID_ARGUMENT` when the body of a request is not one message of its method. */
export const refuseMalformed: grpc.ServerInterceptor = (_method, call) => {
  const sendStatus = call.sendStatus.bind(call);
  // On the call itself, which reports most of this past all interceptors.
  call.sendStatus = (status) => {
    const found = MALFORMED.find(([code, details]) =>
      status.code === code && details.test(status.details ?? "")
    );
    if (!found) sendStatus(status);
    else sendStatus({ ...status, code: grpc.status.INVALID_ARGUMENT, details: found[2] });
  };
  return new grpc.ServerInterceptingCall(call);
};

/** The methods of a service, which take only what is a message, where protobufjs takes more. */
export function withStrictRequests(
  service: grpc.ServiceDefinition,
  definition: PackageDefinition,
): grpc.ServiceDefinition {
  const findFields = (typeName: string) => {
    // As a message of the package names it, or with the name of another package.
    const found = definition[`necoperf.${typeName}`] ?? definition[typeName];
    return fieldsOf(found);
  };
  return Object.fromEntries(
    Object.entries(service).map(([name, method]) => {
      const fields = fieldsOf((method as { requestType?: object }).requestType) ?? [];
      const requestDeserialize = (bytes: Buffer) => {
        checkMessage(bytes, fields, findFields);
        return method.requestDeserialize(bytes);
      };
      return [name, { ...method, requestDeserialize }];
    }),
  );
}

function fieldsOf(type: object | undefined): FieldDescriptor[] | undefined {
  return (type as { type?: { field?: FieldDescriptor[] } } | undefined)?.type?.field;
}
