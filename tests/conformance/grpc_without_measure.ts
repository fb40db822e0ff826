/** What `proto/grpc.ts` gives, without the measure in `proto/deferred_session_close.ts`. */
import "../../proto/embedded_files.ts";
import * as grpc from "@grpc/grpc-js";
import * as protoLoader from "@grpc/proto-loader";
import type { ProtoGrpcType as NecoPerfTypes } from "../../proto/gen/necoperf.ts";
import type { ProtoGrpcType as CriTypes } from "../../proto/gen/cri.ts";

export { grpc };

function load(file: string): grpc.GrpcObject {
  const path = `${import.meta.dirname}/../../proto/${file}`;
  return grpc.loadPackageDefinition(
    protoLoader.loadSync(path, { longs: Number, enums: String, defaults: true, oneofs: true }),
  );
}

export function loadNecoPerf(): NecoPerfTypes["necoperf"] {
  return (load("necoperf.proto") as unknown as NecoPerfTypes).necoperf;
}

export function loadCri(): CriTypes["runtime"]["v1"] {
  return (load("cri.proto") as unknown as CriTypes).runtime.v1;
}
