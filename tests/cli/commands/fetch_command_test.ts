import assert from "node:assert/strict";
import { fetchCommand } from "../../../cli/commands/fetch_command.ts";

const TARGET = { containerId: "c0ffee123456789", endpoint: { address: "node1:6543" } };

Deno.test("fetchCommand: names the node of a pod, and its file as the recording's would be", () => {
  const pod = { namespace: "shop", name: "web-0", container: "app", nodeName: "node1" };
  assert.equal(
    fetchCommand("4c1e-77", ["--namespace", "shop"], { ...TARGET, pod }),
    "necoperf-client fetch 4c1e-77 --node node1 --name web-0-app --namespace shop",
  );
});

Deno.test("fetchCommand: a shell reads from it the flags that were given", async () => {
  const flags = ["--daemon", "[::1]:6543", "--output-dir", "it's $HOME; here", "--quiet"];
  const command = fetchCommand("4c1e", flags, TARGET);
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", command.replace("necoperf-client", "printf '%s\\n'")],
  }).output();
  assert.deepEqual(new TextDecoder().decode(stdout).split("\n").slice(0, -1), [
    ...["fetch", "4c1e", "--name", "c0ffee123456"],
    ...flags,
  ]);
});
