import assert from "node:assert/strict";
import {
  type DaemonCredentials,
  NO_CREDENTIALS,
} from "../../../cli/client/daemon/daemon_credentials.ts";
import { fetchCommand } from "../../../cli/commands/fetch_command.ts";

const TARGET = { containerId: "c0ffee123456789", endpoint: { address: "node1:6543" } };

Deno.test("fetchCommand: names the node of a pod, and its file as the recording's would be", () => {
  const pod = { namespace: "shop", name: "web-0", container: "app", nodeName: "node1" };
  assert.equal(
    fetchCommand("4c1e-77", ["--namespace", "shop"], { target: { ...TARGET, pod } }),
    "necoperf-client fetch 4c1e-77 --node node1 --name web-0-app --namespace shop",
  );
});

Deno.test("fetchCommand: names the service account that was found: another's is not given the result", () => {
  const access: DaemonCredentials = {
    ...NO_CREDENTIALS,
    foundServiceAccount: { namespace: "shop", name: "profiler" },
  };
  const words = "--service-account profiler --output-dir out";
  const flags = ["--output-dir", "out"];
  assert.equal(
    fetchCommand("4c1e", flags, { target: { ...TARGET, access } }),
    `necoperf-client fetch 4c1e --name c0ffee123456 ${words}`,
  );
  assert.equal(fetchCommand("4c1e", flags, { access }), `necoperf-client fetch 4c1e ${words}`);
});

Deno.test("fetchCommand: a shell reads from it the flags that were given", async () => {
  const flags = ["--daemon", "[::1]:6543", "--output-dir", "it's $HOME; here", "--quiet"];
  const command = fetchCommand("4c1e", flags, { target: TARGET });
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", command.replace("necoperf-client", "printf '%s\\n'")],
  }).output();
  assert.deepEqual(new TextDecoder().decode(stdout).split("\n").slice(0, -1), [
    ...["fetch", "4c1e", "--name", "c0ffee123456"],
    ...flags,
  ]);
});
