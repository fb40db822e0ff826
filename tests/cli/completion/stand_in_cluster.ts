import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { permissionFlags } from "../../../permissions.ts";

/** What a path of the API answers; nothing at all while it is `"silence"`. */
export type Answers = Record<string, unknown>;

/** An API server, a kubeconfig file for it, and the program on a PATH. */
export interface StandInCluster extends AsyncDisposable {
  kubeconfig: string;
  /** What programs are run with. */
  env: Record<string, string>;
  /** Paths, with the accepted form of the answer. */
  requests: string[];
}

const MAIN = join(import.meta.dirname!, "../../../cli/main.ts");

/**
 * Answers like an API server, with tables for lists. The real one, of `tests/e2e`, is never silent,
 * and its objects are others each time.
 */
export async function startStandInCluster(answers: Answers): Promise<StandInCluster> {
  const requests: string[] = [];
  const server = http.createServer(({ url, headers }, response) => {
    const { pathname } = new URL(url!, "http://localhost");
    requests.push(`${pathname} ${headers.accept}`);
    const answer = answers[pathname];
    if (answer === "silence") return;
    const type = { "content-type": "application/json" };
    response.writeHead(answer === undefined ? 403 : 200, type);
    response.end(JSON.stringify(answer ?? { kind: "Status", message: "forbidden" }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const directory = await Deno.makeTempDir({ prefix: "necoperf-completion-" });
  const kubeconfig = join(directory, "config");
  const context = (name: string, namespace: string) => (
    { name, context: { cluster: "test", user: "me", namespace } }
  );
  await Deno.writeTextFile(
    kubeconfig,
    JSON.stringify({
      clusters: [{
        name: "test",
        cluster: { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
      }],
      users: [{ name: "me", user: { token: "secret" } }],
      contexts: [
        context("dev", "shop"),
        context("arn:aws:eks:tokyo:1:cluster/prod", "billing"),
        context("$(touch run) it", "shop"),
      ],
      "current-context": "dev",
    }),
  );
  const program = join(directory, "necoperf-client");
  const flags = permissionFlags("client", { embedded: false }).map((flag) => `'${flag}'`).join(" ");
  await Deno.writeTextFile(
    program,
    `#!/bin/sh\nexec '${Deno.execPath()}' run --quiet ${flags} '${MAIN}' "$@"\n`,
    { mode: 0o755 },
  );
  return {
    kubeconfig,
    env: { KUBECONFIG: kubeconfig, PATH: `${directory}:${Deno.env.get("PATH")}`, TERM: "dumb" },
    requests,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** A list as `kubectl get` shows it. */
export function table(columns: string[], ...rows: string[][]) {
  return {
    kind: "Table",
    columnDefinitions: columns.map((name) => ({ name })),
    rows: rows.map((cells) => ({ cells })),
  };
}
