import assert from "node:assert/strict";
import { type DaemonOptions, parseArguments, UsageError } from "../../daemon/arguments.ts";

function start(...args: string[]): DaemonOptions {
  const invocation = parseArguments(["start", ...args], "1.2.3");
  assert.equal(invocation.kind, "start");
  return (invocation as { options: DaemonOptions }).options;
}

function refusal(...args: string[]): string {
  try {
    parseArguments(args, "1.2.3");
  } catch (error) {
    assert.ok(error instanceof UsageError, `${error}`);
    return error.message;
  }
  throw new assert.AssertionError({ message: `${args.join(" ")} was not refused` });
}

Deno.test("parseArguments: the defaults are those of the contract", () => {
  const options = start();
  assert.equal(options.port, 6543);
  assert.equal(options.metricsPort, 6541);
  assert.equal(options.runtimeEndpoint, "unix:///run/containerd/containerd.sock");
  assert.equal(options.workDir, "/var/necoperf");
  assert.equal(options.limits.maxDurationSeconds, 600);
  assert.equal(options.containerLookup, "cri");
  assert.ok(options.limits.allowedEvents.includes("cpu-clock"));
  // deploy/base gives the work directory 4Gi.
  assert.equal(options.maxResultsBytes, 2 * 1024 ** 3);
});

Deno.test("parseArguments: each flag sets its option", () => {
  const options = start(
    ...["--port", "1", "--metrics-port=2", "--work-dir", "/w", "--proc-dir=/p"],
    ...[
      "--container-lookup",
      "cgroup",
      "--node-name",
      "n1",
      "--max-duration",
      "1m30s",
      "--max-frequency",
      "49",
    ],
    ...["--max-stack-size", "1024", "--max-threads", "300"],
    ...["--thread-time-budget", "1Mi"],
    ...["--allowed-events", "cycles,sched:sched_switch"],
    ...["--max-concurrent", "2", "--max-queue", "3", "--shutdown-grace", "5s"],
    ...["--conversion-timeout", "90s", "--max-memory", "300Mi"],
    ...["--max-results-size", "3Gi", "--max-result-size", "64Mi", "--max-record-response", "1000"],
    ...["--result-retention", "1h", "--stall-timeout", "10s"],
  );
  assert.equal(options.port, 1);
  assert.equal(options.metricsPort, 2);
  assert.equal(options.workDir, "/w");
  assert.equal(options.procDir, "/p");
  assert.equal(options.containerLookup, "cgroup");
  assert.deepEqual(options.limits, {
    maxDurationSeconds: 90,
    maxFrequencyHz: 49,
    maxStackSizeBytes: 1024,
    maxThreads: 300,
    threadTimeBytesPerSecond: 2 ** 20,
    allowedEvents: ["cycles", "sched:sched_switch"],
  });
  assert.equal(start("--thread-time-budget=0").limits.threadTimeBytesPerSecond, 0);
  assert.equal(options.maxConcurrent, 2);
  assert.equal(options.maxQueue, 3);
  assert.equal(options.shutdownGraceSeconds, 5);
  assert.equal(options.conversionTimeoutSeconds, 90);
  assert.equal(options.maxResultsBytes, 3 * 1024 ** 3);
  assert.equal(options.maxResultBytes, 64 * 1024 ** 2);
  assert.equal(options.maxRecordResponseBytes, 1000);
  assert.equal(options.resultRetentionSeconds, 3600);
  assert.equal(options.stallSeconds, 10);
  assert.equal(options.maxMemoryBytes, 300 * 2 ** 20);
});

Deno.test("parseArguments: what is not understood is named", () => {
  assert.match(refusal(), /necoperf-daemon start/);
  assert.match(refusal("stop"), /stop/);
  assert.match(refusal("start", "--ports", "1"), /--ports/);
  assert.match(refusal("start", "--port", "70000"), /'70000'/);
  assert.match(refusal("start", "--port", "http"), /'http'/);
  assert.match(refusal("start", "--max-duration", "abc"), /'abc'/);
  assert.match(refusal("start", "--max-duration", "0"), /'0'/);
  assert.match(refusal("start", "--max-results-size", "2GB"), /'2GB' is not a size/);
  assert.match(refusal("start", "--thread-time-budget", "-1"), /'-1' is not a size/);
  assert.match(refusal("start", "--max-frequency", "-1"), /'-1'/);
  assert.match(refusal("start", "--max-concurrent", "0"), /'0'/);
  assert.match(refusal("start", "--container-lookup", "docker"), /docker/);
  assert.match(refusal("start", "--allowed-events", "cycles,-o/tmp/x"), /'-o\/tmp\/x'/);
  assert.match(refusal("start", "--allowed-events", "a b"), /'a b'/);
});

Deno.test("parseArguments: taking process ids for containers goes with loopback only", () => {
  assert.match(refusal("start", "--container-lookup", "pid"), /127\.0\.0\.1/);
  const onAll = ["start", "--container-lookup", "pid", "--address", "10.0.0.1"];
  assert.match(refusal(...onAll), /10\.0\.0\.1/);
  for (const address of ["127.0.0.1", "[::1]", "localhost"]) {
    assert.equal(start("--container-lookup", "pid", "--address", address).address, address);
  }
});

Deno.test("parseArguments: --help and --version print to standard output's text", () => {
  const help = parseArguments(["start", "--help"], "1.2.3") as { text: string };
  assert.match(help.text, /--runtime-endpoint/);
  const version = parseArguments(["--version"], "1.2.3") as { text: string };
  assert.equal(version.text.trim(), "1.2.3");
});

Deno.test("parseArguments: who may profile is Kubernetes' to say, unless told otherwise", () => {
  assert.deepEqual(start("--node-name", "n1").auth, {
    kind: "kubernetes",
    tokenAudience: "necoperf",
    serviceAccountDir: "/var/run/secrets/kubernetes.io/serviceaccount",
    apiServer: undefined,
    nodeName: "n1",
  });
  assert.deepEqual(start("--auth", "none").auth, { kind: "none" });
  const development = start("--container-lookup", "pid", "--address", "127.0.0.1");
  assert.deepEqual(development.auth, { kind: "none" });
  const other = start("--kube-api", "https://10.0.0.1:6443", "--token-audience", "x").auth;
  assert.ok(other.kind === "kubernetes");
  assert.equal(other.apiServer, "https://10.0.0.1:6443");
  assert.equal(other.tokenAudience, "x");
});

Deno.test("parseArguments: TLS takes a certificate and its key", () => {
  assert.equal(start().tls, undefined);
  const files = ["--tls-cert-file", "/c", "--tls-key-file", "/k"];
  assert.deepEqual(start(...files).tls, {
    certFile: "/c",
    keyFile: "/k",
    clientCaFile: undefined,
  });
  assert.equal(start(...files, "--client-ca-file", "/a").tls?.clientCaFile, "/a");
});

Deno.test("parseArguments: what does not go together, or would let anybody in, is refused", () => {
  const refused = (words: RegExp, ...args: string[]) =>
    assert.match(refusal("start", ...args), words);
  const files = ["--tls-cert-file", "/c", "--tls-key-file", "/k"];
  refused(/--node-name is missing/, "--container-lookup", "cgroup");
  refused(
    /--container-lookup=pid needs --auth=none/,
    "--container-lookup=pid",
    "--address=127.0.0.1",
    "--auth=kubernetes",
  );
  refused(/no effect with --auth=none/, "--auth", "none", ...files, "--client-ca-file", "/a");
  refused(/--tls-key-file go together/, "--tls-cert-file", "/c");
  refused(/--tls-key-file go together/, "--tls-key-file", "/k");
  refused(/--client-ca-file needs/, "--client-ca-file", "/a");
  refused(/--token-audience may not be empty/, "--token-audience", "");
  refused(/Allowed choices are kubernetes, none/, "--auth", "off");
  for (const url of ["http://10.0.0.1", "https://10.0.0.1/x", "10.0.0.1", "https://u:p@10.0.0.1"]) {
    refused(/is not of the form https:/, "--kube-api", url);
  }
});
