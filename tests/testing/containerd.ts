/**
 * A real containerd for tests, with a root, a state and a socket of its own, and real containers in
 * it. Needs root, containerd, runc and busybox-static.
 *
 * ```ts ignore
 * await using containerd = await startContainerd();
 * const container = await containerd.run({ command: ["/bin/sleep", "1000"], user: 65534 });
 * ```
 *
 * @module
 */
import * as protoLoader from "@grpc/proto-loader";
import { grpc } from "../../proto/grpc.ts";

/** The image that every test containerd has: busybox, with a link in `/bin` for each command. */
const BUSYBOX_IMAGE = "necoperf-test/busybox:1";

const PAUSE_IMAGE = "necoperf-test/pause:1";

/** How long anything may take before a test fails; far more than it takes on a slow machine. */
const LIMIT_MS = 60_000;

/** A container to run. */
interface TestContainerOptions {
  command: readonly string[];
  /** A name that was given to `importImage`; {@linkcode BUSYBOX_IMAGE} unless told. */
  image?: string;
  /** The user's number; the image's user unless told. */
  user?: number;
  podName?: string;
  podNamespace?: string;
  containerName?: string;
  /** How much processor time it may use in 100 ms. Default: as much as it likes. */
  cpuQuotaMicroseconds?: number;
  /** Says `false` to create the container and not start it. */
  start?: boolean;
}

/** A container that runs. */
export interface TestContainer {
  id: string;
  podUid: string;
  podName: string;
  podNamespace: string;
  containerName: string;
}

/** How a command in a container ended. */
interface TestExecution {
  exitCode: number;
  stdout: string;
}

/** A containerd of this test's own. Disposing it ends all of its containers. */
export interface TestContainerd extends AsyncDisposable {
  /** Its socket, as `unix:///path`. */
  endpoint: string;
  /** Makes an image of a directory and gives it a name. */
  importImage(rootfs: string, name: string): Promise<void>;
  /** Runs a container in a pod of its own, on the host's network. */
  run(options: TestContainerOptions): Promise<TestContainer>;
  /** Executes a command in a container, as `kubectl exec` does, and waits until it has ended. */
  execute(containerId: string, command: readonly string[]): Promise<TestExecution>;
  /** Kills a container and waits until it has ended. */
  stopContainer(containerId: string): Promise<void>;
  /** Kills containerd; its containers run on. */
  kill(): Promise<void>;
  /** Starts containerd again and waits until it answers. */
  restart(): Promise<void>;
}

/** Starts a containerd. Rejects in one line with what this machine lacks. */
export async function startContainerd(): Promise<TestContainerd> {
  await requireTools();
  const dir = await Deno.makeTempDir({ prefix: "necoperf-containerd-" });
  const socket = `${dir}/containerd.sock`;
  const endpoint = `unix://${socket}`;
  // What the kubelet would be told as its cgroup root; also how the containers are known as ours.
  const cgroupRoot = dir.slice(dir.lastIndexOf("/") + 1);
  const pods: string[] = [];
  const cri = connect(endpoint);
  const janitor = startJanitor(dir, cgroupRoot);
  let daemon: Deno.ChildProcess | undefined;

  async function start(): Promise<void> {
    await Deno.remove(socket).catch(() => {});
    daemon = new Deno.Command("sh", {
      args: ["-c", 'exec containerd -c "$0" >>"$1" 2>&1', `${dir}/config.toml`, `${dir}/log`],
      stdin: "null",
    }).spawn();
    try {
      // Removing what is not there succeeds as soon as the CRI plugin is ready.
      await poll("containerd to answer", async () => {
        await cri("RemovePodSandbox", { podSandboxId: "0".repeat(64) });
        return true;
      });
    } catch (error) {
      const log = await Deno.readTextFile(`${dir}/log`).catch(() => "");
      throw new Error(`containerd does not start: ${log.slice(-2000)}`, { cause: error });
    }
  }

  async function kill(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    const ending = daemon;
    daemon = undefined;
    try {
      ending?.kill(signal);
    } catch {
      // It has ended by itself.
    }
    await ending?.status;
  }

  async function stop(): Promise<void> {
    try {
      if (pods.length > 0 && !daemon) await start();
      for (const podSandboxId of pods) {
        await cri("StopPodSandbox", { podSandboxId });
        await cri("RemovePodSandbox", { podSandboxId });
      }
    } finally {
      await kill("SIGTERM");
      cri.close();
      await janitor.stdin.close();
      await janitor.status;
    }
    if (!(await janitor.status).success) throw new Error(`cannot clean up ${dir}`);
  }

  async function importImage(rootfs: string, name: string): Promise<void> {
    const archive = await Deno.makeTempFile({ dir, suffix: ".tar" });
    await packImage(rootfs, archive, name);
    await run("ctr", ["-a", socket, "-n", "k8s.io", "images", "import", archive]);
    await Deno.remove(archive);
    // The CRI plugin hears of new images by an event.
    await poll(`image ${name}`, async () => {
      const { image } = await cri<{ image: unknown }>("ImageStatus", { image: { image: name } });
      return image !== null;
    });
  }

  try {
    await Deno.writeTextFile(`${dir}/config.toml`, configuration(dir, socket));
    await start();
    const rootfs = await busyboxRootfs(dir);
    await importImage(rootfs, PAUSE_IMAGE);
    await importImage(rootfs, BUSYBOX_IMAGE);
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }

  return {
    endpoint,
    importImage,
    async run({ command, image = BUSYBOX_IMAGE, user, start = true, ...options }) {
      const podUid = crypto.randomUUID();
      const { podName = `pod-${podUid.slice(0, 8)}`, cpuQuotaMicroseconds: cpuQuota } = options;
      const { podNamespace = "necoperf-test", containerName = "main" } = options;
      const namespaceOptions = { network: "NODE", pid: "CONTAINER", ipc: "POD" };
      const labels = {
        "io.kubernetes.pod.name": podName,
        "io.kubernetes.pod.namespace": podNamespace,
        "io.kubernetes.pod.uid": podUid,
      };
      const sandboxConfig = {
        metadata: { name: podName, uid: podUid, namespace: podNamespace },
        labels,
        linux: {
          cgroupParent: `/${cgroupRoot}/kubepods/besteffort/pod${podUid}`,
          securityContext: { namespaceOptions },
        },
      };
      const { podSandboxId } = await cri<{ podSandboxId: string }>("RunPodSandbox", {
        config: sandboxConfig,
      });
      pods.push(podSandboxId);
      const { containerId } = await cri<{ containerId: string }>("CreateContainer", {
        podSandboxId,
        sandboxConfig,
        config: {
          metadata: { name: containerName },
          image: { image },
          command,
          labels: { ...labels, "io.kubernetes.container.name": containerName },
          linux: {
            ...(cpuQuota === undefined ? {} : { resources: { cpuPeriod: 100_000, cpuQuota } }),
            securityContext: {
              namespaceOptions,
              ...(user === undefined ? {} : { runAsUser: { value: user } }),
            },
          },
        },
      });
      if (start) await cri("StartContainer", { containerId });
      return { id: containerId, podUid, podName, podNamespace, containerName };
    },
    execute(containerId, cmd) {
      const execution = cri<{ exitCode: number; stdout: Uint8Array }>("ExecSync", {
        containerId,
        cmd,
      }).then(({ exitCode, stdout }) => ({ exitCode, stdout: new TextDecoder().decode(stdout) }));
      // A test that fails before it waits for this one fails for its own reason, and cleans up: a
      // rejection that nobody has taken would end all tests at once.
      execution.catch(() => {});
      return execution;
    },
    async stopContainer(containerId) {
      await cri("StopContainer", { containerId, timeout: 0 });
    },
    kill,
    restart: start,
    [Symbol.asyncDispose]: stop,
  };
}

/**
 * Packs a directory into an image archive as `docker save` makes them: one layer, owned by root,
 * with the files' capabilities.
 */
async function packImage(rootfs: string, archive: string, name: string): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "necoperf-image-" });
  try {
    const layer = `${dir}/layer.tar`;
    await run("tar", [
      "--create",
      `--file=${layer}`,
      `--directory=${rootfs}`,
      "--sort=name",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "--xattrs",
      "--xattrs-include=security.capability",
      ".",
    ]);
    const digest = (await run("sha256sum", [layer])).slice(0, 64);
    const config = {
      architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
      os: "linux",
      config: { Cmd: ["/bin/sleep", "2147483647"], Env: ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"] },
      rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
    };
    const manifest = [{ Config: "config.json", RepoTags: [name], Layers: ["layer.tar"] }];
    await Deno.writeTextFile(`${dir}/config.json`, JSON.stringify(config));
    await Deno.writeTextFile(`${dir}/manifest.json`, JSON.stringify(manifest));
    const files = ["manifest.json", "config.json", "layer.tar"];
    await run("tar", ["--create", `--file=${archive}`, `--directory=${dir}`, ...files]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Calls `condition` until it is true, and rejects when that takes longer than any test may. */
export async function poll(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + LIMIT_MS;
  let failure: unknown;
  while (Date.now() < deadline) {
    try {
      if (await condition()) return;
    } catch (error) {
      failure = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`gave up waiting for ${what}`, { cause: failure });
}

async function requireTools(): Promise<void> {
  const missing = Deno.uid() === 0 ? [] : ["root"];
  for (const tool of ["containerd", "ctr", "runc", "busybox", "tar"]) {
    const { success } = await new Deno.Command("sh", {
      args: ["-c", 'command -v "$0"', tool],
      stdout: "null",
    }).output();
    if (!success) missing.push(tool);
  }
  if (missing.length === 0) return;
  throw new Error(
    `this test lacks ${missing.join(", ")}: run it as root after ` +
      "`apt-get install containerd runc busybox-static`",
  );
}

/** Keeps all of containerd below `dir`, and off the machine's network and security modules. */
function configuration(dir: string, socket: string): string {
  return `version = 2
root = "${dir}/root"
state = "${dir}/state"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${dir}/cni"
    conf_dir = "${dir}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "${dir}/runc"
`;
}

async function busyboxRootfs(dir: string): Promise<string> {
  const rootfs = `${dir}/busybox`;
  for (const name of ["bin", "etc", "tmp", "proc", "sys", "dev"]) {
    await Deno.mkdir(`${rootfs}/${name}`, { recursive: true });
  }
  await Deno.chmod(`${rootfs}/tmp`, 0o1777);
  const busybox = (await run("sh", ["-c", "command -v busybox"])).trim();
  await Deno.copyFile(busybox, `${rootfs}/bin/busybox`);
  const commands = (await run(busybox, ["--list"])).trim().split("\n");
  for (const command of commands) {
    if (command !== "busybox") await Deno.symlink("busybox", `${rootfs}/bin/${command}`);
  }
  return rootfs;
}

type Call = {
  <Response>(method: string, request: unknown): Promise<Response>;
  close(): void;
};

/** Connects to the services of `cri_full.proto`; the method's name determines which. */
function connect(endpoint: string): Call {
  const definition = grpc.loadPackageDefinition(
    protoLoader.loadSync(`${import.meta.dirname}/cri_full.proto`, {
      longs: Number,
      enums: String,
      defaults: true,
    }),
  );
  const services = (definition.runtime as grpc.GrpcObject).v1 as unknown as Record<
    "RuntimeService" | "ImageService",
    grpc.ServiceClientConstructor
  >;
  const options = { "grpc.default_authority": "localhost", "grpc.max_reconnect_backoff_ms": 1000 };
  const credentials = grpc.credentials.createInsecure();
  const clients = [services.RuntimeService, services.ImageService].map((Service) =>
    new Service(endpoint, credentials, options)
  );
  const call = <Response>(method: string, request: unknown) =>
    new Promise<Response>((resolve, reject) => {
      const client = clients.find((client) => method in client)!;
      client[method](
        request,
        { deadline: Date.now() + LIMIT_MS },
        (error: grpc.ServiceError | null, response: Response) =>
          error ? reject(new Error(`${method}: ${error.message}`)) : resolve(response),
      );
    });
  return Object.assign(call, { close: () => clients.forEach((client) => client.close()) });
}

async function run(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${text(stderr)}`);
  return text(stdout);
}

/**
 * Cleans up when its standard input ends: at the latest when this process does, however it does.
 * Everything is known by the directory's name, which no other test has: processes by their
 * arguments or their cgroups, mounts and cgroups by their paths. The directory comes in the
 * environment, so that the janitor's own arguments do not have it.
 */
const JANITOR = `
trap '' INT TERM HUP
cat >/dev/null
ours() {
  for process in /proc/[0-9]*; do
    { arguments=$(tr '\\0' ' ' <$process/cmdline); cgroups=$(cat $process/cgroup); } 2>/dev/null
    case "$arguments $cgroups" in *"$DIR/"* | *"/$CGROUP_ROOT/"*) echo "\${process#/proc/}" ;; esac
  done
}
tidy() {
  ours | xargs -r kill -KILL 2>/dev/null
  # The sockets of shims are not below the directory.
  for address in "$DIR"/state/io.containerd.runtime.v2.task/*/*/address; do
    [ ! -f "$address" ] || rm -f "$(sed 's,^unix://,,' "$address")"
  done
  sed -n "s,^[^ ]* \\($DIR/[^ ]*\\).*,\\1,p" /proc/mounts | xargs -r umount --lazy
  find /sys/fs/cgroup/"$CGROUP_ROOT" /sys/fs/cgroup/*/"$CGROUP_ROOT" -depth -type d \
    -exec rmdir {} ';' 2>/dev/null
  rm -rf "$DIR" && [ -z "$(ours)" ] &&
    ! ls -d /sys/fs/cgroup/"$CGROUP_ROOT" /sys/fs/cgroup/*/"$CGROUP_ROOT" >/dev/null 2>&1
}
# What was killed is there for another moment.
for attempt in $(seq 100); do tidy && exit 0; sleep 0.1; done
exit 1
`;

function startJanitor(dir: string, cgroupRoot: string): Deno.ChildProcess {
  return new Deno.Command("sh", {
    args: ["-c", JANITOR],
    env: { DIR: dir, CGROUP_ROOT: cgroupRoot },
    stdin: "piped",
  }).spawn();
}
