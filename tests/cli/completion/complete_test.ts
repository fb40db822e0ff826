import assert from "node:assert/strict";
import { defineCommands } from "../../../cli/arguments/arguments.ts";
import { referenceTo } from "../../../cli/completion/complete.ts";
import { writeCompletion } from "../../../cli/completion/completion.ts";
import { type Answers, startStandInCluster, table } from "./stand_in_cluster.ts";

const PODS = "/api/v1/namespaces/shop/pods";
const CONTAINERS = { containers: [{ name: "app" }, { name: "cache" }] };
const ANSWERS: Answers = {
  "/api/v1/namespaces": table(["Name", "Status"], ["shop", "Active"], ["billing", "Active"]),
  [PODS]: table(["Name", "Ready", "Status"], ["web-0", "1/1", "Running"], [
    "web-1",
    "0/1",
    "Error",
  ]),
  [`${PODS}/web-0`]: { spec: { ...CONTAINERS, initContainers: [{ name: "proxy" }] } },
  "/apis/apps/v1/namespaces/shop/deployments": table(["Name", "Ready"], ["web", "2/2"]),
  "/apis/apps/v1/namespaces/shop/deployments/web": { spec: { template: { spec: CONTAINERS } } },
  "/api/v1/namespaces/billing/pods": table(["Name", "Ready", "Status"], [
    "bill-0",
    "1/1",
    "Running",
  ]),
  "/api/v1/namespaces/necoperf/pods": table(["Name", "Status", "Node"], [
    "d-1",
    "Running",
    "node1",
  ]),
};

/** Lines that the program prints for words, the last of which is to be completed. */
async function completions(words: string[], answers = ANSWERS): Promise<string[]> {
  await using cluster = await startStandInCluster(answers);
  const { success, stdout, stderr } = await new Deno.Command("necoperf-client", {
    args: ["__complete", ...words],
    env: cluster.env,
    stdin: "null",
  }).output();
  assert.ok(success);
  assert.equal(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

/** As {@linkcode completions}, without descriptions and the number at the end. */
async function values(...words: string[]): Promise<string[]> {
  return (await completions(words)).slice(0, -1).map((line) => line.split("\t")[0]);
}

Deno.test("defineCommands: names come from the cluster that the line means", async () => {
  assert.deepEqual(await completions(["-n", "shop", "web"]), [
    "web-0\t1/1 Running",
    "web-1\t0/1 Error",
    ":4",
  ]);
  assert.deepEqual(await values("bill"), []);
  const context = "arn:aws:eks:tokyo:1:cluster/prod";
  assert.deepEqual(await values("--context", context, "bill"), ["bill-0"]);
  assert.deepEqual(await values("--namespace=billing", "bill"), ["bill-0"]);
  assert.deepEqual(await values("-qn=billing", "bill"), ["bill-0"]);
  assert.deepEqual(await values("-n", "s"), ["shop"]);
  assert.deepEqual(await values("-n=s"), ["shop"]);
  assert.deepEqual(await values("fetch", "--node", ""), ["node1"]);
});

Deno.test("defineCommands: what stands for pods is completed as kubectl names it", async () => {
  assert.deepEqual(await completions(["dep"]), ["deploy/\tdeployments", ":6"]);
  assert.deepEqual(await values("deployments.apps/"), ["deployments.apps/web"]);
  assert.deepEqual(await values("profile", "pod/web-0", "pod/"), ["pod/web-1"]);
  assert.deepEqual(await values("secret/"), []);
});

Deno.test("defineCommands: containers are those of what is named before", async () => {
  assert.deepEqual(await completions(["profile", "web-0", "-c", ""]), [
    "app\tcontainer",
    "cache\tcontainer",
    "proxy\tinit container",
    ":4",
  ]);
  assert.deepEqual(await values("deploy/web", "--container=c"), ["cache"]);
  assert.deepEqual(await values("-c", ""), []);
});

Deno.test("defineCommands: commands, flags and choices come from what defines them", async () => {
  const commands = Object.keys(defineCommands("1.0.0"));
  assert.deepEqual((await values("")).slice(0, commands.length), commands);
  assert.deepEqual(await values("--form"), ["--format"]);
  assert.ok((await values("-")).includes("-n"));
  // What was given is not offered again, but for what may be repeated.
  assert.deepEqual(await values("-n", "shop", "--namesp"), []);
  assert.deepEqual(await values("-e", "cycles", "--eve"), ["--event"]);
  assert.deepEqual(await values("diff", "--format=t"), ["table"]);
  assert.deepEqual(await values("-e", "cycles,page"), ["cycles,page-faults"]);
  assert.deepEqual(await values("--call-graph", "d"), ["dwarf"]);
  assert.deepEqual(await completions(["convert", ""]), [":0"]);
  assert.deepEqual(await completions(["-o", ""]), [":16"]);
});

Deno.test("defineCommands: a cluster that forbids or keeps silent takes nothing else away", async () => {
  assert.deepEqual((await completions(["-n", ""], {})).map((line) => line.split("\t")[0]), [
    "shop",
    "billing",
    ":4",
  ]);
  const silent = { [PODS]: "silence" };
  assert.ok((await completions([""], silent)).some((line) => line.startsWith("fetch\t")));
  assert.deepEqual(await completions(["--kubeconfig", "/nonexistent", "web"]), [":4"]);
});

Deno.test("defineCommands: lists are asked for as tables, without the objects", async () => {
  await using cluster = await startStandInCluster(ANSWERS);
  const args = ["__complete", "web"];
  await new Deno.Command("necoperf-client", { args, env: cluster.env }).output();
  assert.deepEqual(cluster.requests, [
    "/api/v1/namespaces/shop/pods application/json;as=Table;v=v1;g=meta.k8s.io",
  ]);
});

Deno.test("defineCommands: a name that would be taken for several is left out", () => {
  const candidates = ["a\nb", "a\tb", "", "good"].map((value) => ({ value, description: "x\ny" }));
  assert.equal(writeCompletion({ candidates }), "good\tx y\n:4");
});

Deno.test("referenceTo: a daemon is asked in the way, and as whom, the line says", () => {
  const given = new Map(Object.entries({
    "--namespace": "shop",
    "--via": "port-forward",
    "--ca-file": "ca.crt",
    "--client-cert-file": "me.crt",
    "--client-key-file": "me.key",
    "--insecure-send-token": "",
  }));
  const { namespace, via, access } = referenceTo("web-0", (name) => given.get(name));
  assert.deepEqual([namespace, via], ["shop", "port-forward"]);
  const { caFile, clientCertificateFile, clientKeyFile, insecureSendToken } = access!;
  assert.deepEqual(
    [caFile, clientCertificateFile, clientKeyFile, insecureSendToken],
    ["ca.crt", "me.crt", "me.key", true],
  );
  // Nobody has finished writing it.
  assert.equal(referenceTo("web-0", () => "por").via, undefined);
  assert.equal(referenceTo("web-0", () => undefined).access!.insecureSendToken, false);
});
