/**
 * What a client of `necoperf.NecoPerf` loads of gRPC, and no more: its definitions were read from
 * `necoperf.proto` by `deno task gen`, and it makes no descriptors of them, as proto-loader does for
 * server reflection.
 *
 * @module
 */
import "./deferred_session_close.ts";
import type * as grpc from "@grpc/grpc-js";
// Out of grpc-js's inside: its front door loads the server, too, and all that it has to choose from.
import { ChannelCredentials } from "@grpc/grpc-js/build/src/channel-credentials.js";
import { setup as setUpPickFirst } from "@grpc/grpc-js/build/src/load-balancer-pick-first.js";
import { makeClientConstructor } from "@grpc/grpc-js/build/src/make-client.js";
import { Metadata } from "@grpc/grpc-js/build/src/metadata.js";
import { setup as setUpDns } from "@grpc/grpc-js/build/src/resolver-dns.js";
import type { ProtoGrpcType } from "./gen/necoperf.ts";
import definitions from "./gen/necoperf.json" with { type: "json" };
import { type Definition, messageCodec, type MethodNames } from "./message_codec.ts";

export { ChannelCredentials, Metadata };

// What the front door does when it is loaded, for addresses `dns:host:port` without load balancing.
setUpDns();
setUpPickFirst();

const PACKAGE = "necoperf";
const SERVICE = "NecoPerf";

/** The client of `necoperf.NecoPerf`, which speaks as the one that proto-loader would make. */
export function loadNecoPerfClient(): ProtoGrpcType["necoperf"]["NecoPerf"] {
  const { methods } = (definitions as Definition).nested![PACKAGE].nested![SERVICE];
  const described = Object.entries(methods!).map(([name, names]) => [name, describe(name, names)]);
  return makeClientConstructor(
    Object.fromEntries(described),
    `${PACKAGE}.${SERVICE}`,
  ) as unknown as ProtoGrpcType["necoperf"]["NecoPerf"];
}

function describe(
  name: string,
  { requestType, responseType, requestStream = false, responseStream = false }: MethodNames,
): grpc.MethodDefinition<object, object> {
  const request = messageCodec(definitions, PACKAGE, requestType);
  const response = messageCodec(definitions, PACKAGE, responseType);
  return {
    path: `/${PACKAGE}.${SERVICE}/${name}`,
    requestStream,
    responseStream,
    requestSerialize: request.encode,
    requestDeserialize: request.decode,
    responseSerialize: response.encode,
    responseDeserialize: response.decode,
    originalName: name[0].toLowerCase() + name.slice(1),
  };
}
