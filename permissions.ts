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

/**
 * Credential plug-ins that run without a question, and where they are documented as such: those of
 * providers, of login tools and of kubectl. The person at the terminal is asked about any other; so
 * also about programs that run what a kubeconfig tells them to (`aws-vault exec`, `env`, a shell).
 *
 * On Windows Deno also finds them with the endings of `PATHEXT`.
 */
const CREDENTIAL_PLUGINS: Record<string, string> = {
  "ack-ram-tool": "https://aliyuncontainerservice.github.io/ack-ram-tool/",
  akeyless: "https://docs.akeyless.io/docs/kubernetes-auth",
  aliyun: "https://github.com/aliyun/aliyun-cli",
  "argocd-k8s-auth": "https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/",
  aws: "https://docs.aws.amazon.com/eks/latest/userguide/create-kubeconfig.html",
  "aws-iam-authenticator": "https://github.com/kubernetes-sigs/aws-iam-authenticator",
  az: "https://learn.microsoft.com/azure/aks/kubelogin-authentication",
  civo: "https://github.com/civo/cli",
  "client-keystone-auth":
    "https://github.com/kubernetes/cloud-provider-openstack/blob/master/docs/keystone-auth/",
  doctl: "https://docs.digitalocean.com/products/kubernetes/how-to/connect-to-cluster/",
  exo: "https://community.exoscale.com/product/compute/containers/",
  gardenlogin: "https://github.com/gardener/gardenlogin",
  gcloud: "https://cloud.google.com/sdk/gcloud/reference/container/clusters/get-credentials",
  "gke-gcloud-auth-plugin":
    "https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl",
  // What aws-iam-authenticator was called.
  "heptio-authenticator-aws": "https://github.com/kubernetes-sigs/aws-iam-authenticator",
  ibmcloud: "https://cloud.ibm.com/docs/containers?topic=containers-access_cluster",
  // By `kubectl oidc-login`, as the documents of kubelogin have it, and by other plug-ins of its
  // own.
  kubectl: "https://github.com/int128/kubelogin",
  "kubectl-gardenlogin": "https://github.com/gardener/gardenlogin",
  "kubectl-login": "https://github.com/clastix/kubectl-login",
  "kubectl-oidc_login": "https://github.com/int128/kubelogin",
  // Two programs have that name.
  kubelogin: "https://azure.github.io/kubelogin/ https://github.com/int128/kubelogin",
  loft: "https://www.vcluster.com/docs/platform/",
  nebius: "https://docs.nebius.com/kubernetes/connect",
  oc: "https://docs.redhat.com/documentation/openshift_container_platform/ (oc get-token)",
  oci: "https://docs.oracle.com/iaas/Content/ContEng/Tasks/contengdownloadkubeconfigfile.htm",
  okteto: "https://www.okteto.com/docs/reference/okteto-cli/ (okteto kubetoken)",
  pinniped: "https://pinniped.dev/docs/howto/login/",
  "pomerium-cli": "https://www.pomerium.com/docs/capabilities/kubernetes-access",
  rancher: "https://ranchermanager.docs.rancher.com/reference-guides/cli-with-rancher/",
  scw: "https://www.scaleway.com/en/docs/kubernetes/ (scw k8s exec-credential)",
  stackit: "https://github.com/stackitcloud/stackit-cli (stackit ske kubeconfig login)",
  tanzu: "https://techdocs.broadcom.com/ (tanzu pinniped-auth login)",
  tbot: "https://goteleport.com/docs/machine-workload-identity/ (tbot kube credentials)",
  tsh: "https://goteleport.com/docs/enroll-resources/kubernetes-access/ (tsh kube credentials)",
  vault: "https://developer.hashicorp.com/vault/docs/secrets/kubernetes",
  vcluster: "https://www.vcluster.com/docs/platform/",
  yc: "https://yandex.cloud/docs/managed-kubernetes/operations/connect/",
};

/** The daemon's `--work-dir` unless told otherwise: a compiled daemon can have no other. */
const WORK_DIR = "/var/necoperf";

/**
 * Where the Kubernetes API server can be. The address of its service is another in each cluster,
 * but of a private range; Deno knows no ranges of IPv6, so there it is asked for by its name.
 */
const API_SERVERS = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "kubernetes.default.svc",
];

/** The daemon's own token, which shows the API server who asks, and the API server's authority. */
const SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * Where the TLS files of the daemon are mounted: a certificate, its key, and clients' authorities.
 */
const CONFIG_DIR = "/etc/necoperf";

function daemonPermissions(workDir: string): string[] {
  return [
    // Listens, and asks a container runtime and the API server.
    `--allow-net=${
      ["0.0.0.0", "[::]", "127.0.0.1", "[::1]", "localhost", ...API_SERVERS]
        .concat(RUNTIME_SOCKETS.map((socket) => `unix:${socket}`)).join()
    }`,
    // The host's /proc and /sys/fs/cgroup, mounted there because Deno refuses /proc and /sys
    // themselves; and its own results.
    `--allow-read=${
      ["/host/proc", "/host/cgroup", workDir, SERVICE_ACCOUNT_DIR, CONFIG_DIR, ...RUNTIME_SOCKETS]
        .join()
    }`,
    `--allow-write=${[workDir, ...RUNTIME_SOCKETS].join()}`,
    "--allow-run=perf",
    // grpc-js reads its own when it is imported; in the others Kubernetes gives pods the API
    // server's address.
    "--allow-env=GRPC_*,KUBERNETES_SERVICE_HOST,KUBERNETES_SERVICE_PORT",
    // The kernel's version, to compare perf's with.
    "--allow-sys=osRelease",
  ];
}

function clientPermissions(): string[] {
  return [
    // API servers and daemons are anywhere.
    "--allow-net",
    // Kubeconfig files, the certificates they name and the output directory may be anywhere.
    "--allow-read",
    "--allow-write",
    `--allow-run=${Object.keys(CREDENTIAL_PLUGINS).join()}`,
    // Credential plug-ins get the user's environment, as from kubectl; Deno hands it on by itself
    // to programs only while no variable in it changes how programs are loaded.
    "--allow-env",
    // Asked for by libraries only, and never of the user.
    "--deny-sys",
    "--deny-ffi",
  ];
}

/**
 * How V8 keeps its memory small.
 *
 * Young objects: its own bound is 16 to 48 MB, and it collects them when that is full. Up to then
 * every chunk of a result that has passed through lies around: 80 MB of them in the daemon with a
 * large one; with 1 MB it is as fast. In the client the chunks of a tunnel come on top: 100 MB
 * through one take it to 200 MB with 4 MB, and to 167 MB with 1 MB.
 *
 * Old objects: with its own bound the heap grows to three times of what is in use before it is
 * collected, and peers that connect, are refused and connect again make 25 KB of garbage each: at a
 * thousand a second the daemon was at 180 MB; with 50 percent it is below 120.
 *
 * The compilers that optimize: the daemon's time goes into gzip, SHA-256, perf and the system.
 * Without them it takes 7 MB less, less time for a usual recording, and an eighth more for one at
 * 999 Hz.
 */
const V8_FLAGS: Record<Program, string[]> = {
  client: ["--max-semi-space-size=1"],
  daemon: ["--max-semi-space-size=1", "--heap-growing-percent=50", "--no-turbofan", "--no-maglev"],
};

/** Where a program that runs from source, not compiled, finds what a compiled one has embedded. */
const SOURCE_FILES = ["node_modules"];

/**
 * The flags for `deno run` or `deno compile` that give a program what it needs and nothing else:
 * permissions, and memory.
 *
 * `embedded` says that the program's own files are inside its binary; they take no permission then.
 * `workDir` is where a daemon may write, for one that is started for a moment by a user without
 * rights.
 */
export function permissionFlags(
  program: Program,
  options: { embedded: boolean; workDir?: string },
): string[] {
  const permissions = program === "client"
    ? clientPermissions()
    : daemonPermissions(options.workDir ?? WORK_DIR);
  const memory = `--v8-flags=${V8_FLAGS[program].join()}`;
  // The client may ask whether to run a credential plug-in that it does not know.
  const prompt = program === "client" ? [] : ["--no-prompt"];
  const flags = [...prompt, memory, ...permissions];
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
