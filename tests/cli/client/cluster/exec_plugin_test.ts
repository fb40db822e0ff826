import assert from "node:assert/strict";
import { once } from "node:events";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { type Cluster, openCluster } from "../../../../cli/client/cluster/kubernetes.ts";
import { CliError } from "../../../../cli/errors.ts";
import { createAuthority } from "../../authority.ts";

/** A plug-in that gives `t1`, `t2`, ... and writes a line into `runs` each time. */
const script = (directory: string, wait: string, end: string) =>
  `#!/bin/sh
${wait}
echo run >> ${directory}/runs
count=$(wc -l < ${directory}/runs)
cat <<END
{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
 "status": {"token": "t$((count))"${end}}}
END
`;

/** Asks with a plug-in, and an API server that answers to tokens as it is told. */
async function withPlugin(
  { wait = "", end = "", answer }: {
    wait?: string;
    end?: string;
    answer: (token: string) => number;
  },
  use: (cluster: Cluster) => Promise<void>,
): Promise<{ runs: number }> {
  const authority = await createAuthority("cluster");
  const { cert, key } = await authority.sign({ name: "localhost" });
  const server = https.createServer({ cert, key }, (request, response) => {
    const token = request.headers.authorization?.replace("Bearer ", "") ?? "";
    response.writeHead(answer(token), { "content-type": "application/json" });
    response.end(JSON.stringify({ kind: "Status", message: token }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const directory = await Deno.makeTempDir({ prefix: "necoperf-plugin-" });
  try {
    await Deno.writeTextFile(`${directory}/plugin`, script(directory, wait, end), { mode: 0o755 });
    const kubeconfig = `${directory}/config`;
    const address = `https://localhost:${(server.address() as AddressInfo).port}`;
    await Deno.writeTextFile(
      kubeconfig,
      JSON.stringify({
        "current-context": "x",
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        clusters: [{
          name: "c",
          cluster: { server: address, "certificate-authority": authority.file },
        }],
        users: [{
          name: "u",
          user: {
            exec: {
              apiVersion: "client.authentication.k8s.io/v1",
              command: "./plugin",
              interactiveMode: "Never",
            },
          },
        }],
      }),
    );
    await use(await openCluster({ kubeconfig, requestTimeoutSeconds: 1 }));
    const runs = await Deno.readTextFile(`${directory}/runs`);
    return { runs: runs.split("\n").length - 1 };
  } finally {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
    authority[Symbol.dispose]();
    await Deno.remove(directory, { recursive: true });
  }
}

/** The token that a request was refused, or answered, with. */
async function tokenOf({ readPod }: Cluster): Promise<string> {
  try {
    await readPod("shop", "web-0");
  } catch (error) {
    assert(error instanceof CliError, `${error}`);
    return /: (t\d+) \(|do(es) not accept/.exec(error.message)?.slice(1).find((each) => each) ??
      error.message;
  }
  assert.fail("there was a pod");
}

Deno.test("execCredentials: a login takes longer than a request may", async () => {
  const { runs } = await withPlugin({ wait: "sleep 1.5", answer: () => 404 }, async (cluster) => {
    assert.equal(await tokenOf(cluster), "t1");
  });
  assert.equal(runs, 1);
});

Deno.test("execCredentials: a token that has ended is renewed for the next request", async () => {
  const end = `, "expirationTimestamp": "2001-01-01T00:00:00Z"`;
  const { runs } = await withPlugin({ end, answer: () => 404 }, async (cluster) => {
    assert.equal(await tokenOf(cluster), "t1");
    assert.equal(await tokenOf(cluster), "t2");
  });
  assert.equal(runs, 2);
});

Deno.test("execCredentials: many requests that are refused at once run the plug-in once more", async () => {
  const { runs } = await withPlugin(
    { answer: (token) => token === "t1" ? 401 : 404 },
    async (cluster) => {
      const tokens = await Promise.all(Array.from({ length: 8 }, () => tokenOf(cluster)));
      assert.deepEqual(tokens, Array(8).fill("t2"));
    },
  );
  assert.equal(runs, 2);
});

Deno.test("execCredentials: what is refused again is told", async () => {
  const { runs } = await withPlugin({ answer: () => 401 }, async (cluster) => {
    assert.equal(await tokenOf(cluster), "es");
  });
  assert.equal(runs, 2);
});
