/**
 * The Deno permissions of both programs, written once: for compiling them, for `deno task client`
 * and `deno task daemon`, and for the tests. Run as a program it prints the flags of one:
 *
 *     deno run permissions.ts client|daemon
 *
 * @module
 */

/** The programs of this project. */
export type Program = "client" | "daemon";

/** Sockets on which the daemon may ask a container runtime. */
const RUNTIME_SOCKETS = ["/run/containerd/containerd.sock", "/run/crio/crio.sock"];

/** What the libraries read from the environment, at the latest when they are imported. */
const LIBRARY_ENV = [
  "GRPC_*",
  "grpc_proxy",
  "no_grpc_proxy",
  "http_proxy",
  "https_proxy",
  "no_proxy",
];

/** Programs with which kubeconfig files get credentials for the clusters of the large providers. */
const CREDENTIAL_PLUGINS = [
  "aws",
  "aws-iam-authenticator",
  "doctl",
  "gke-gcloud-auth-plugin",
  "kubectl-oidc_login",
  "kubelogin",
  "oci",
  "tsh",
];

/** The daemon's `--work-dir` unless told otherwise: a compiled daemon can have no other. */
const WORK_DIR = "/var/necoperf";

function daemonPermissions(workDir: string): string[] {
  return [
    // Listens, and connects to itself in no case. The only peer it calls is a container runtime.
    `--allow-net=${
      ["0.0.0.0", "[::]", "127.0.0.1", "[::1]", "localhost"]
        .concat(RUNTIME_SOCKETS.map((socket) => `unix:${socket}`)).join()
    }`,
    // The host's /proc, mounted there because Deno refuses /proc itself; and its own results.
    `--allow-read=${["/host/proc", workDir, ...RUNTIME_SOCKETS].join()}`,
    `--allow-write=${[workDir, ...RUNTIME_SOCKETS].join()}`,
    "--allow-run=perf",
    `--allow-env=${LIBRARY_ENV.join()}`,
    // The kernel's version, to compare perf's with.
    "--allow-sys=osRelease",
  ];
}

function clientPermissions(): string[] {
  return [
    // API servers and daemons are anywhere.
    "--allow-net",
    // Kubeconfig files, the certificates they name and the output directory are anywhere, too.
    "--allow-read",
    "--allow-write",
    `--allow-run=${CREDENTIAL_PLUGINS.join()}`,
    `--allow-env=${
      [...LIBRARY_ENV, "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "HOME", "KUBE*", "NO_COLOR", "TERM"]
        .join()
    }`,
  ];
}

/** Where a program that runs from source, not compiled, finds what a compiled one has embedded. */
const SOURCE_FILES = ["proto", "node_modules"];

/**
 * The flags for `deno run` or `deno compile` that give a program what it needs and nothing else.
 *
 * `embedded` says that the program's own files are inside its binary; they take no permission then.
 * `workDir` is where a daemon may write, for one that is started for a moment by a user without
 * rights.
 */
export function permissionFlags(
  program: Program,
  options: { embedded: boolean; workDir?: string },
): string[] {
  const flags = ["--no-prompt"].concat(
    program === "client" ? clientPermissions() : daemonPermissions(options.workDir ?? WORK_DIR),
  );
  if (options.embedded) return flags;
  const files = SOURCE_FILES.map((name) => `${import.meta.dirname}/${name}`);
  return flags.map((flag) => flag.startsWith("--allow-read=") ? `${flag},${files.join()}` : flag);
}

if (import.meta.main) {
  const [program] = Deno.args;
  if (program !== "client" && program !== "daemon") {
    console.error("usage: deno run permissions.ts client|daemon");
    Deno.exit(2);
  }
  console.log(permissionFlags(program, { embedded: false }).join("\n"));
}
