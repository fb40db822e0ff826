/**
 * The cluster that `KUBECONFIG` names, as an administrator of it.
 *
 * @module
 */
import { join } from "node:path";

/** The directory of the project. */
export const ROOT = join(import.meta.dirname!, "../..");

/** The tools of the test cluster, where `.ci/run` looks for them. They may not be there. */
export const TESTBED = Deno.env.get("TESTBED_DIR") ?? join(ROOT, "../shared/testbed");

/** An object of the API, as far as tests write and read it. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  // deno-lint-ignore no-explicit-any -- the rest is as the API has it, different for each kind
  [field: string]: any;
}

const COMMAND_DEADLINE_MS = 120_000;

/** How a command of kubectl has ended. */
export interface KubectlRun {
  success: boolean;
  stdout: string;
  stderr: string;
}

/** Runs kubectl, in the project's directory. Rejects only when it cannot be started. */
export async function runKubectl(
  args: string[],
  { input = "", kubectl = "kubectl", kubeconfig }: {
    input?: string;
    /** Another one than the PATH's. */
    kubectl?: string;
    /** Default: that of the cluster's administrator. */
    kubeconfig?: string;
  } = {},
): Promise<KubectlRun> {
  const process = new Deno.Command(kubectl, {
    args,
    cwd: ROOT,
    env: kubeconfig === undefined ? {} : { KUBECONFIG: kubeconfig },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(COMMAND_DEADLINE_MS),
  }).spawn();
  const writer = process.stdin.getWriter();
  // It may end before it has read all, and then says why.
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { success, stdout, stderr } = await process.output();
  const decoder = new TextDecoder();
  return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Runs kubectl and returns its standard output. Rejects with its words when it fails. */
export async function kubectl(args: string[], input = ""): Promise<string> {
  const { success, stdout, stderr } = await runKubectl(args, { input });
  if (!success) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** The minor version of the cluster: 37 of Kubernetes 1.37. */
export async function readMinorVersion(): Promise<number> {
  const { major, minor } = JSON.parse(await kubectl(["get", "--raw=/version"]));
  if (major !== "1") throw new Error(`Kubernetes ${major}.${minor}: tests know 1 only`);
  return parseInt(minor);
}

/** Makes objects, or changes those there are. */
export async function apply(...items: KubernetesObject[]): Promise<void> {
  await kubectl(
    ["apply", "--filename=-"],
    JSON.stringify({ apiVersion: "v1", kind: "List", items }),
  );
}

/** An object that there is. */
export async function get(
  kind: string,
  name: string,
  namespace: string,
): Promise<KubernetesObject> {
  return JSON.parse(await kubectl(["get", kind, name, `--namespace=${namespace}`, "-o", "json"]));
}

/** The nodes that are ready, by name. */
export async function readyNodes(): Promise<string[]> {
  const { items } = JSON.parse(await kubectl(["get", "nodes", "-o", "json"]));
  return (items as KubernetesObject[])
    .filter(({ status }) =>
      // deno-lint-ignore no-explicit-any -- see KubernetesObject
      status.conditions.some((each: any) => each.type === "Ready" && each.status === "True")
    )
    .map(({ metadata }) => metadata.name).sort();
}

/** Makes a namespace with a name of its own. */
export async function createNamespace(prefix: string): Promise<string> {
  const name = `${prefix}-${crypto.randomUUID().slice(0, 8)}`;
  await apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  return name;
}

/** Deletes namespaces, and resolves when all in them has ended. */
export async function deleteNamespaces(...names: string[]): Promise<void> {
  await kubectl(["delete", "namespaces", "--ignore-not-found", "--timeout=100s", ...names]);
}

/** Resolves when the pods of a namespace are ready. */
export async function waitUntilReady(namespace: string, ...pods: string[]): Promise<void> {
  const names = pods.map((pod) => `pod/${pod}`);
  await kubectl([
    ...["wait", "--for=condition=Ready", `--namespace=${namespace}`, "--timeout=90s", ...names],
  ]);
}

/** Resolves when a field of a pod, by its JSONPath, has a value. */
export async function waitForField(
  namespace: string,
  pod: string,
  jsonPath: string,
  value: string,
): Promise<void> {
  const process = new Deno.Command("kubectl", {
    args: [
      ...["get", "pod", pod, `--namespace=${namespace}`, "--watch"],
      `--output=jsonpath={${jsonPath}}{"\\n"}`,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    signal: AbortSignal.timeout(COMMAND_DEADLINE_MS),
  }).spawn();
  let text = "";
  try {
    for await (const chunk of process.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.split("\n").includes(value)) return;
    }
    throw new Error(`${jsonPath} of ${namespace}/${pod} never was ${value}, but: ${text.trim()}`);
  } finally {
    try {
      process.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await process.status;
  }
}
