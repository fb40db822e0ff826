/**
 * Runs necoperf-client as a tenant does, inside the cluster and outside of it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { kubectl, type KubernetesObject, ROOT } from "./cluster.ts";
import { programCommand } from "./programs.ts";
import { BUSY_CALLERS, BUSY_FUNCTION } from "./targets.ts";
import { type Tenant, TENANT_ACCOUNT } from "./tenant.ts";

/** How a run of the client ended. */
export interface ClientRun {
  status: number;
  stdout: string;
  stderr: string;
}

/** As {@linkcode ClientRun}, with what is in the output directory after it. */
export interface ClientRunOutside extends ClientRun {
  outputDirectory: string;
  /** Texts of files by their names. */
  files: Record<string, string>;
}

/** What else a run outside of the cluster may have. */
export interface RunOptions {
  /** One of the client's commands. Default: the one without a name. */
  command?: string;
  /** Default: the tenant's. */
  kubeconfig?: string;
  /** Default: an empty directory. */
  outputDirectory?: string;
  /** A file with a token for the daemon. Default: the tenant's; `""` for none. */
  tokenFile?: string;
  /**
   * Called, with what the client has said, once that has the line that the recording runs.
   * `interrupt` does what Ctrl-C does.
   */
  whileRecording?: (said: string, interrupt: () => void) => Promise<unknown>;
  /** Called once the client has said that what was recorded is converted. */
  whileConverting?: () => Promise<unknown>;
  /** Until this resolves nobody reads the client's standard output. */
  stdoutUnreadUntil?: Promise<unknown>;
  /** Beside the environment of the tests. */
  env?: Record<string, string>;
  /** The client is killed then. Default: 90. */
  deadlineSeconds?: number;
  /** Words put before the client's command line, such as `ip netns exec NAME`. */
  wrapper?: string[];
}

/** What a test does while the client runs. */
type Meanwhile = Omit<
  RunOptions,
  "command" | "kubeconfig" | "outputDirectory" | "tokenFile"
>;

const RUN_DEADLINE_MS = 90_000;

/** Runs the client on this machine, into an output directory. */
export async function runClient(
  tenant: Tenant,
  args: string[],
  options: RunOptions = {},
): Promise<ClientRunOutside> {
  const temporary = await Deno.makeTempDir({ prefix: "necoperf-e2e-" });
  const outputDirectory = options.outputDirectory ?? temporary;
  const tokenFile = options.tokenFile ?? tenant.tokenFile;
  const token = tokenFile === "" ? [] : ["--token-file", tokenFile];
  const command = options.command ? [options.command] : [];
  try {
    const run = await runCommand(
      options.kubeconfig ?? tenant.kubeconfig,
      // The arguments last: what they say of the same options counts.
      [...command, "--output-dir", outputDirectory, ...token, ...args],
      options,
    );
    const files: Record<string, string> = {};
    for await (const { name } of Deno.readDir(temporary)) {
      files[name] = await Deno.readTextFile(`${temporary}/${name}`);
    }
    return { ...run, outputDirectory, files };
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

/** Runs the client on this machine, with the permissions it is compiled with. */
export async function runCommand(
  kubeconfig: string,
  args: string[],
  meanwhile: Meanwhile = {},
): Promise<ClientRun> {
  const [command, ...begin] = [...meanwhile.wrapper ?? [], ...programCommand("client")];
  const process = new Deno.Command(command, {
    args: [...begin, ...args],
    cwd: ROOT,
    env: { KUBECONFIG: kubeconfig, ...meanwhile.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(
      meanwhile.deadlineSeconds ? meanwhile.deadlineSeconds * 1000 : RUN_DEADLINE_MS,
    ),
  }).spawn();
  const [stdout, stderr, { code }] = await Promise.all([
    Promise.race([meanwhile.stdoutUnreadUntil, process.status])
      .then(() => new Response(process.stdout).text()),
    readStderr(process, meanwhile),
    process.status,
  ]);
  return { status: code, stdout, stderr };
}

async function readStderr(
  process: Deno.ChildProcess,
  { whileRecording, whileConverting }: Meanwhile,
): Promise<string> {
  let text = "";
  let [recording, converting]: (Promise<unknown> | undefined)[] = [];
  const interrupt = () => process.kill("SIGINT");
  for await (const chunk of process.stderr.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (/^necoperf-client: recording .*\n/m.test(text)) {
      recording ??= whileRecording?.(text, interrupt);
    }
    if (/^necoperf-client: converting /m.test(text)) converting ??= whileConverting?.();
  }
  await Promise.all([recording, converting]);
  return text;
}

/** A pod with the client in it, that waits to be told what to run. */
export function clientPod(tenant: Tenant, name: string): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: tenant.namespace },
    spec: {
      serviceAccountName: TENANT_ACCOUNT,
      dnsPolicy: "Default",
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsNonRoot: true, runAsUser: 10002, runAsGroup: 10002 },
      containers: [{
        name: "client",
        image: "necoperf-client:e2e",
        imagePullPolicy: "Never",
        command: ["sleep", "86400"],
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
        volumeMounts: [{ name: "necoperf", mountPath: "/var/run/secrets/necoperf" }],
      }],
      // As deploy/README.md tells tenants to.
      volumes: [{
        name: "necoperf",
        projected: {
          sources: [{ serviceAccountToken: { audience: "necoperf", path: "token" } }],
        },
      }],
    },
  };
}

/** Runs a command in a pod that {@linkcode clientPod} describes. */
export async function runInPod(
  tenant: Pick<Tenant, "namespace">,
  pod: string,
  command: string[],
): Promise<ClientRun> {
  const { code, stdout, stderr } = await new Deno.Command("kubectl", {
    args: ["exec", `--namespace=${tenant.namespace}`, pod, "--", ...command],
    stdin: "null",
    signal: AbortSignal.timeout(RUN_DEADLINE_MS),
  }).output();
  const decoder = new TextDecoder();
  return { status: code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Starts a program in a container of a running pod, as a colleague of the tenant would. */
export async function execInTarget(
  tenant: Tenant,
  pod: string,
  container: string,
  command: string[],
): Promise<void> {
  const namespace = `--namespace=${tenant.namespace}`;
  await kubectl(["exec", namespace, pod, `--container=${container}`, "--", ...command]);
}

/** Asserts that a profile names the busy function of the targets and its callers, in one stack. */
export function assertBusy(profile: string): void {
  const frames = [BUSY_FUNCTION, ...BUSY_CALLERS].map((name) => `\\s+[0-9a-f]+ ${name}\\+.*`);
  const stack = new RegExp(frames.join("\n"));
  assert.match(profile, stack, `no stack of ${BUSY_FUNCTION} in: ${profile.slice(0, 2000)}`);
}

/** The text of the one file that a run has left, whose path is all that it printed. */
export function onlyResult(run: ClientRunOutside, status = 0): string {
  assert.equal(run.status, status, run.stderr);
  const [[name, text], ...others] = Object.entries(run.files);
  assert.deepEqual(others, []);
  assert.equal(run.stdout, `${run.outputDirectory}/${name}\n`);
  return text;
}
