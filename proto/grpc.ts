/**
 * Loads grpc-js and the definitions of the services that NecoPerf speaks, with the descriptors that
 * server reflection wants. Nothing else loads grpc-js.
 *
 * @module
 */
import "./deferred_session_close.ts";
import "./embedded_files.ts";
import * as grpc from "@grpc/grpc-js";
import * as protoLoader from "@grpc/proto-loader";
import { CONVERSION_OPTIONS } from "./conversion_options.ts";
// Modules and not files to read: modules also exist where this was imported from a URL.
import cri from "./gen/cri.json" with { type: "json" };
import necoPerf from "./gen/necoperf.json" with { type: "json" };
import type { ProtoGrpcType as NecoPerfTypes } from "./gen/necoperf.ts";
import type { ProtoGrpcType as CriTypes } from "./gen/cri.ts";

export { grpc };

/** The definitions of a library's `.proto` file. */
export function loadPackageDefinition(path: string): protoLoader.PackageDefinition {
  return protoLoader.loadSync(path, CONVERSION_OPTIONS);
}

/** The definition of `necoperf.NecoPerf`, as server reflection wants it. */
export function loadNecoPerfDefinition(): protoLoader.PackageDefinition {
  return fromJson(necoPerf);
}

/** The package `necoperf` of a definition: its service's definition and its client. */
export function toNecoPerf(definition: protoLoader.PackageDefinition): NecoPerfTypes["necoperf"] {
  return (grpc.loadPackageDefinition(definition) as unknown as NecoPerfTypes).necoperf;
}

let necoPerfPackage: NecoPerfTypes["necoperf"] | undefined;

/** The package `necoperf`, the same for all connections: it takes 200 KB. */
export function loadNecoPerf(): NecoPerfTypes["necoperf"] {
  return necoPerfPackage ??= toNecoPerf(loadNecoPerfDefinition());
}

/** The part of `runtime.v1` (the Container Runtime Interface) that the daemon uses. */
export function loadCri(): CriTypes["runtime"]["v1"] {
  return (grpc.loadPackageDefinition(fromJson(cri)) as unknown as CriTypes).runtime.v1;
}

function fromJson(definition: object): protoLoader.PackageDefinition {
  return protoLoader.fromJSON(definition, CONVERSION_OPTIONS);
}
