/**
 * What breaks on the test cluster's machine: its containerds, its API server, its processes. Needs
 * the cluster of `../shared/testbed`, whose nodes are this machine's own processes.
 *
 * @module
 */
import { get, TESTBED } from "./cluster.ts";

/** Whether the cluster is one that tests may break. */
export const BREAKABLE = Deno.env.has("KUBECONFIG") && exists(`${TESTBED}/restart-containerd`);

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Kills a node's containerd, and resolves when the next one answers. */
export async function restartContainerd(node: string): Promise<void> {
  await output(`${TESTBED}/restart-containerd`, node);
}

/**
 * Stops the API server until it is disposed; connections to it stay open and nothing answers. It
 * comes back by itself after so long, whatever becomes of the test.
 */
export async function freezeApiServer(seconds: number): Promise<AsyncDisposable> {
  const settings = '. "$0/lib.sh"; cat "$TESTBED_STATE/pids/kube-apiserver"';
  const pid = (await output("bash", "-c", settings, TESTBED)).trim();
  // Ends with its standard input, at the latest with this process.
  const script = 'kill -STOP "$0"; timeout "$1" cat; kill -CONT "$0"';
  const args = ["--fork", "--wait", "sh", "-c", script, pid, `${seconds}`];
  const frozen = new Deno.Command("setsid", { args, stdin: "piped" }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      await frozen.stdin.close();
      await frozen.status;
    },
  };
}

/** A process of a node. */
interface NodeProcess {
  pid: number;
  parentPid: number;
  args: string[];
}

/** Kills the first process of a pod's only container, as the kernel does. */
export async function killContainer(namespace: string, pod: string): Promise<void> {
  const { status } = await get("pod", pod, namespace);
  const [{ containerID }] = status.containerStatuses;
  const processes = await processesOf(containerID.replace("containerd://", ""));
  // The one whose parent is not in the container. Its pid need not be the lowest: they start anew.
  const pids = processes.map(({ pid }) => pid);
  const [first] = processes.filter(({ parentPid }) => !pids.includes(parentPid));
  Deno.kill(first.pid, "SIGKILL");
}

/**
 * Gives the processes of a pod's only container no processor until it is disposed. They get it back
 * by themselves after so long, whatever becomes of the test.
 */
export async function freezeContainer(
  namespace: string,
  pod: string,
  seconds: number,
): Promise<AsyncDisposable> {
  const { status } = await get("pod", pod, namespace);
  const id = status.containerStatuses[0].containerID.replace("containerd://", "");
  const [{ pid }] = await processesOf(id);
  const { file, frozen, thawed } = findFreezer(await Deno.readTextFile(`/proc/${pid}/cgroup`), id);
  // Ends with its standard input, at the latest with this process.
  const script = 'echo "$1" >"$0"; timeout "$3" cat; echo "$2" >"$0"';
  const args = ["--fork", "--wait", "sh", "-c", script, file, frozen, thawed, `${seconds}`];
  const freezer = new Deno.Command("setsid", { args, stdin: "piped" }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      await freezer.stdin.close();
      await freezer.status;
    },
  };
}

/** The file that freezes a container's cgroup, and what is written there. */
function findFreezer(cgroups: string, id: string) {
  // hierarchy-ID:controllers:path, see cgroups(7)
  const own = cgroups.split("\n").map((line) => line.split(":"))
    .filter(([, , path]) => path?.includes(id));
  const v1 = own.find(([, controllers]) => controllers === "freezer");
  if (v1) {
    const file = `/sys/fs/cgroup/freezer${v1[2]}/freezer.state`;
    return { file, frozen: "FROZEN", thawed: "THAWED" };
  }
  const [, , path] = own.find(([hierarchy]) => hierarchy === "0")!;
  return { file: `/sys/fs/cgroup/unified${path}/cgroup.freeze`, frozen: "1", thawed: "0" };
}

/** The perfs on a node. */
export async function findPerfs(node: string): Promise<NodeProcess[]> {
  const processes = await processesOf(`/nptb/${node}/`);
  return processes.filter(({ args }) => args[0].endsWith("perf") && args.length > 1);
}

/** The processes with a word in their cgroups' paths. */
async function processesOf(word: string): Promise<NodeProcess[]> {
  const found: NodeProcess[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // A process that ends meanwhile is none to find.
    const read = (file: string) => Deno.readTextFile(`/proc/${name}/${file}`).catch(() => "");
    if (!(await read("cgroup")).includes(word)) continue;
    found.push({
      pid: Number(name),
      parentPid: Number(/^PPid:\s+(\d+)/m.exec(await read("status"))?.[1]),
      args: (await read("cmdline")).split("\0").slice(0, -1),
    });
  }
  return found;
}

async function output(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, stdin: "null" })
    .output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}
