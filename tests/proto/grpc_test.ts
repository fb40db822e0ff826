import assert from "node:assert/strict";
import { join } from "node:path";
import { loadCri, loadNecoPerfDefinition, loadPackageDefinition } from "../../proto/grpc.ts";
import { ROOT } from "../testing/cluster.ts";

Deno.test("loadPackageDefinition: the definitions are those of the .proto files", () => {
  const fromFile = loadPackageDefinition(join(ROOT, "proto/necoperf.proto"));
  // Without the functions, which are never the same.
  const plain = (definition: unknown) => JSON.parse(JSON.stringify(definition));
  assert.deepEqual(plain(loadNecoPerfDefinition()), plain(fromFile));
});

Deno.test("loadCri: the runtime's definitions have its service", () => {
  assert.equal(
    loadCri().RuntimeService.service.ContainerStatus.path,
    "/runtime.v1.RuntimeService/ContainerStatus",
  );
});
