/**
 * What a client of `necoperf.NecoPerf` loads of gRPC, and no more: its definitions were read from
 * `necoperf.proto` by `deno task gen`, and it makes no descriptors of them, as proto-loader does for
 * server reflection.
 *
 * @module
 */
import "./deferred_session_close.ts";
import * as grpc from "@grpc/grpc-js";
import protobuf from "protobufjs/light.js";
import type { ProtoGrpcType } from "./gen/necoperf.ts";
import definitions from "./gen/necoperf.json" with { type: "json" };
import { CONVERSION_OPTIONS } from "./conversion_options.ts";

export { grpc };

const SERVICE = "necoperf.NecoPerf";

/** The client of `necoperf.NecoPerf`, which speaks as the one that proto-loader would make. */
export function loadNecoPerfClient(): ProtoGrpcType["necoperf"]["NecoPerf"] {
  const root = protobuf.Root.fromJSON(definitions as protobuf.INamespace).resolveAll();
  const { methodsArray } = root.lookupService(SERVICE);
  const methods = methodsArray.map((method) => [method.name, toDefinition(method)]);
  return grpc.makeClientConstructor(
    Object.fromEntries(methods),
    SERVICE,
  ) as unknown as ProtoGrpcType["necoperf"]["NecoPerf"];
}

function toDefinition(method: protobuf.Method): grpc.MethodDefinition<object, object> {
  const request = toFunctions(method.resolvedRequestType!);
  const response = toFunctions(method.resolvedResponseType!);
  return {
    path: `/${SERVICE}/${method.name}`,
    requestStream: !!method.requestStream,
    responseStream: !!method.responseStream,
    requestSerialize: request.serialize,
    requestDeserialize: request.deserialize,
    responseSerialize: response.serialize,
    responseDeserialize: response.deserialize,
    originalName: protobuf.util.lcFirst(method.name),
  };
}

function toFunctions(type: protobuf.Type) {
  return {
    serialize: (message: object) => type.encode(type.fromObject(message)).finish() as Buffer,
    deserialize: (bytes: Uint8Array) => type.toObject(type.decode(bytes), CONVERSION_OPTIONS),
  };
}
