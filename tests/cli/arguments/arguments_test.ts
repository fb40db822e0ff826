import assert from "node:assert/strict";
import { parseArguments } from "../../../cli/arguments/arguments.ts";
import type { FetchOptions } from "../../../cli/arguments/fetch.ts";
import type { ProfileOptions } from "../../../cli/arguments/profile.ts";
import { CliError, ExitStatus } from "../../../cli/errors.ts";
import { formatTargetName } from "../../../cli/client/targets/target_name.ts";

function parse(...args: string[]): ProfileOptions {
  const invocation = parseArguments(args, "1.2.3");
  assert(invocation.kind === "profile");
  return invocation.options;
}

/** How a daemon is called when nothing is said about it. */
const NO_CREDENTIALS = {
  tokenFile: undefined,
  serviceAccount: undefined,
  caFile: undefined,
  tlsServerName: undefined,
  clientCertificateFile: undefined,
  clientKeyFile: undefined,
  insecureSendToken: false,
};

/** Which cluster is asked when nothing is said about it. */
const NO_CLUSTER = {
  kubeconfig: undefined,
  context: undefined,
  requestTimeoutSeconds: undefined,
};

function refuses(words: RegExp, ...args: string[]) {
  assert.throws(() => parseArguments(args, "1.2.3"), (error) => {
    assert(error instanceof CliError, String(error));
    assert.equal(error.exitStatus, ExitStatus.USAGE);
    assert.match(error.message, words);
    return true;
  }, `${args.join(" ")} is refused`);
}

Deno.test("parseArguments: an error names the help of its command", () => {
  refuses(
    /^doctor takes no arguments .*\n`necoperf-client doctor --help` lists the options$/,
    "doctor",
    "x",
  );
  refuses(/^name the pod .*\n`necoperf-client --help` lists the options$/);
  refuses(
    /unknown option '--zzzzzz'\n`necoperf-client fetch --help` lists/,
    "fetch",
    "a",
    "--zzzzzz",
  );
});

Deno.test("parseArguments: the line of the design", () => {
  const options = parse("-n", "shop", "web-0", "-c", "app", "-o", "out");
  assert.deepEqual(options.target, {
    kind: "pod",
    pod: "web-0",
    namespace: "shop",
    container: "app",
    cluster: NO_CLUSTER,
    via: "auto",
    necoperfNamespace: "necoperf",
    access: NO_CREDENTIALS,
  });
  assert.equal(options.outputDirectory, "out");
});

Deno.test("parseArguments: the Go client's form and names say the same", () => {
  assert.deepEqual(
    parse(
      ..."profile web-0 --namespace shop --container app --output-dir out --timeout 45s".split(" "),
      ..."--necoperf-namespace perf".split(" "),
    ),
    parse(
      ..."-n shop web-0 -c app -o out -d 45 --necoperf-namespace perf".split(" "),
    ),
  );
  assert.deepEqual(parse("-n", "shop", "profile", "web-0"), parse("web-0", "-n", "shop"));
});

Deno.test("parseArguments: a pod may be called profile or help", () => {
  const podOf = (...args: string[]) => {
    const { target } = parse(...args);
    return target.kind === "pod" && target.pod;
  };
  assert.equal(podOf("profile", "profile"), "profile");
  assert.equal(podOf("help"), "help");
  assert.equal(podOf("profile", "fetch"), "fetch");
  assert.equal(podOf("pod/web-0"), "web-0");
});

Deno.test("parseArguments: what is not said has a default", () => {
  const options = parse("web-0");
  assert.equal(options.durationSeconds, 30);
  assert.equal(options.outputDirectory, ".");
  assert.equal(options.quiet, false);
  assert.deepEqual(options.recordOptions, {
    frequencyHz: undefined,
    events: undefined,
    callGraph: undefined,
    side: undefined,
    inline: false,
    format: "script",
    mainProcess: false,
    threadTime: undefined,
  });
});

Deno.test("parseArguments: options of the recording", () => {
  const { recordOptions, durationSeconds } = parse(
    ..."web-0 -d 1m30s -F 499 -e cycles,page-faults:u -e cpu/event=0x3c,umask=0/".split(" "),
    ..."--call-graph dwarf,16384 --all-user --inline --main-process --format data".split(" "),
  );
  assert.equal(durationSeconds, 90);
  assert.deepEqual(recordOptions, {
    frequencyHz: 499,
    events: ["cycles", "page-faults:u", "cpu/event=0x3c,umask=0/"],
    callGraph: { method: "dwarf", stackSizeBytes: 16384 },
    side: "user",
    inline: true,
    format: "data",
    mainProcess: true,
    threadTime: undefined,
  });
  const converted = parse("x", "--format", "flamegraph");
  assert.equal(converted.convertTo, "flamegraph");
  assert.equal(converted.recordOptions.format, "script");
  assert.equal(parseFetch("4c1e", "--node", "n", "--format", "pprof").convertTo, "pprof");
  assert.equal(parse("x", "--format", "data").convertTo, undefined);
  assert.deepEqual(parse("x", "--call-graph", "lbr").recordOptions.callGraph, { method: "lbr" });
  assert.equal(parse("x", "--inline", "--no-inline").recordOptions.inline, false);
});

Deno.test("parseArguments: --wall and --off-cpu ask for threads' time", () => {
  assert.equal(parse("web-0", "--wall").recordOptions.threadTime, "all");
  const { threadTime, callGraph } =
    parse(..."web-0 --off-cpu --call-graph dwarf --all-user".split(" ")).recordOptions;
  assert.deepEqual([threadTime, callGraph], ["off-cpu", { method: "dwarf" }]);
});

Deno.test("parseArguments: a daemon and a container id take Kubernetes' place", () => {
  const target = (daemon: string) => parse("--daemon", daemon, "--container-id", "abc").target;
  assert.deepEqual(target("10.0.0.7:7000"), {
    kind: "container",
    daemonAddress: "10.0.0.7:7000",
    containerId: "abc",
    necoperfNamespace: "necoperf",
    access: NO_CREDENTIALS,
  });
  assert.deepEqual(
    parse("--daemon", "[::1]:6543", "--container-id", "containerd://abc").target,
    {
      kind: "container",
      daemonAddress: "[::1]:6543",
      containerId: "abc",
      necoperfNamespace: "necoperf",
      access: NO_CREDENTIALS,
    },
  );
  const { daemonAddress } = target("node1") as { daemonAddress: string };
  assert.equal(daemonAddress, "node1:6543");
});

Deno.test("parseArguments: how the daemon is called", () => {
  const flags = [
    ..."--token-file t --ca-file ca --tls-server-name perf.example --insecure-send-token".split(
      " ",
    ),
    ..."--client-cert-file cert --client-key-file key".split(" "),
  ];
  const access = {
    tokenFile: "t",
    serviceAccount: undefined,
    caFile: "ca",
    tlsServerName: "perf.example",
    clientCertificateFile: "cert",
    clientKeyFile: "key",
    insecureSendToken: true,
  };
  assert.deepEqual(parse("web-0", ...flags).target.access, access);
  assert.deepEqual(parse("--daemon", "h", "--container-id", "c", ...flags).target.access, access);
  assert.deepEqual(parse("web-0", "--service-account", "profiler").target.access, {
    ...NO_CREDENTIALS,
    serviceAccount: "profiler",
  });
});

function parseFetch(...args: string[]): FetchOptions {
  const invocation = parseArguments(["fetch", ...args], "1.2.3");
  assert(invocation.kind === "fetch");
  return invocation.options;
}

Deno.test("parseArguments: a result is fetched by its recording's id, from a node or an address", () => {
  const { fetchFlags: _, ...options } = parseFetch(
    ..."4c1e-77 --node node1 -n shop -o out --name web --format data --retry-timeout 10s".split(
      " ",
    ),
  );
  assert.deepEqual(options, {
    recordingId: "4c1e-77",
    daemon: {
      kind: "node",
      nodeName: "node1",
      namespace: "shop",
      cluster: NO_CLUSTER,
      via: "auto",
      necoperfNamespace: "necoperf",
      access: NO_CREDENTIALS,
    },
    name: "web",
    format: "data",
    convertTo: undefined,
    outputDirectory: "out",
    retryTimeoutSeconds: 10,
    quiet: false,
    verbosity: 0,
    json: false,
    idle: false,
  });
  assert.deepEqual(parseFetch("4c1e", "--daemon", "node1:7000", "--ca-file", "ca").daemon, {
    kind: "address",
    daemonAddress: "node1:7000",
    necoperfNamespace: "necoperf",
    access: { ...NO_CREDENTIALS, caFile: "ca" },
  });
});

Deno.test("parseArguments: refuses a fetch that it does not understand", () => {
  refuses(/name the recording by its id/, "fetch");
  refuses(/--node NAME/, "fetch", "4c1e");
  refuses(/takes one recording .*'b'/, "fetch", "a", "b", "--node", "n");
  refuses(/not the id of a recording/, "fetch", "../x", "--node", "n");
  refuses(/not the name of a node/, "fetch", "4c1e", "--node", "a/b");
  refuses(/cannot be used with/, "fetch", "4c1e", "--node", "n", "--daemon", "h:1");
  refuses(/unknown option '--duration'/, "fetch", "4c1e", "--node", "n", "--duration", "5s");
  refuses(/put the word fetch before all options/, "-n", "shop", "fetch", "4c1e");
});

Deno.test("parseArguments: a fetch gets the recording's flags that it also has, as given", () => {
  const { fetchFlags } = parse(
    ..."web-0 -n shop -c app -d 5s -F 99 --inline -q --ca-file ca --insecure-send-token".split(" "),
    ...["--context", "my context", "-o", "it's here", "--retry-timeout", "1m30s"],
  );
  assert.deepEqual(fetchFlags, [
    ...["--namespace", "shop", "--output-dir", "it's here", "--retry-timeout", "90", "--quiet"],
    ...["--context", "my context", "--ca-file", "ca", "--insecure-send-token"],
  ]);
  // Read back they are the same.
  const again = parseFetch("4c1e", "--node", "n", ...fetchFlags);
  assert.deepEqual(again.fetchFlags, ["--node", "n", ...fetchFlags]);
  assert.equal(again.retryTimeoutSeconds, 90);
});

Deno.test("parseArguments: how long to wait", () => {
  assert.equal(parse("web-0").retryTimeoutSeconds, 60);
  assert.equal(parse("web-0").queueTimeoutSeconds, undefined);
  const options = parse("web-0", "--queue-timeout", "5m", "--retry-timeout", "10s");
  assert.deepEqual([options.queueTimeoutSeconds, options.retryTimeoutSeconds], [300, 10]);
});

Deno.test("parseArguments: refuses what it does not understand", () => {
  refuses(/name the pod to profile/);
  refuses(/name the pod to profile/, "profile");
  refuses(/unknown option '--bogus'/, "a", "--bogus");
  refuses(/argument missing/, "a", "-c");
  refuses(/It is empty/, "a", "-n", "");
  refuses(/not the name of a pod/, "../secrets/x");
  refuses(/not the name of a namespace/, "a", "-n", "a/b");
  refuses(/give both/, "--daemon", "node1:6543");
  refuses(/give both/, "--container-id", "abc");
  refuses(
    /takes no pod names .*'web-0'/,
    "web-0",
    "--daemon",
    "node1:6543",
    "--container-id",
    "abc",
  );
  refuses(/cannot be used with/, "--daemon", "h:1", "--container-id", "abc", "-n", "shop");
  refuses(/not the address of a daemon/, "--daemon", "http://h:1/", "--container-id", "abc");
  refuses(/not the address of a daemon/, "--daemon", "h:99999", "--container-id", "abc");
  refuses(/cannot be used with/, "a", "--all-user", "--all-kernel");
  refuses(/cannot be used with/, "a", "-d", "5", "--timeout", "5");
  refuses(/cannot be used with/, "a", "--wall", "--off-cpu");
  for (const flag of ["--wall", "--off-cpu"]) {
    refuses(/cannot be used with/, "a", flag, "--event", "cycles");
    refuses(/cannot be used with/, "a", flag, "--all-kernel");
    refuses(/does not go with --format data/, "a", flag, "--format", "data");
    for (const method of ["none", "lbr"]) {
      refuses(/needs --call-graph fp or dwarf/, "a", flag, "--call-graph", method);
    }
  }
  refuses(/cannot be used with/, "a", "--off-cpu", "-F", "99");
  refuses(/script, data/, "a", "--format", "svg");
  refuses(/cannot be used with/, "a", "--token-file", "t", "--service-account", "s");
  const daemon = ["--daemon", "h:1", "--container-id", "abc"];
  refuses(/cannot be used with/, ...daemon, "--service-account", "s");
  refuses(/not the name of a service account/, "a", "--service-account", "../x");
  refuses(/--client-key-file go together/, "a", "--client-cert-file", "c");
  refuses(/--client-key-file go together/, "a", "--client-key-file", "k");
  refuses(/a DNS name/, "a", "--tls-server-name", "10.0.0.1");
  refuses(/a DNS name/, "a", "--tls-server-name", "a/b");
  for (const flag of ["--token-file", "--ca-file", "--service-account"]) {
    refuses(/It is empty/, "a", flag, "");
  }
});

Deno.test("parseArguments: refuses values that no daemon could take", () => {
  for (const duration of ["0", "0s", "-5", "abc", "", "5 s", "1e3"]) {
    refuses(/--duration/, "a", "-d", duration);
  }
  for (const frequency of ["0", "-1", "abc", "1.5", "", "4294967296"]) {
    refuses(/--frequency/, "a", "-F", frequency);
  }
  for (const method of ["dwarf,0", "dwarf,x", "fp,8192", "stack", ""]) {
    refuses(/--call-graph/, "a", "--call-graph", method);
  }
  for (const events of ["", "a,,b", ","]) refuses(/--event/, "a", "-e", events);
});

Deno.test("parseArguments: several names, and names of workloads", () => {
  const { target, maxConcurrent, merge } = parse("profile", "web-0", "deploy/web", "pods/db-0");
  assert(target.kind === "pods");
  assert.deepEqual(target.names.map(formatTargetName), [
    ...["pod/web-0", "deployments.apps/web", "pod/db-0"],
  ]);
  assert.equal(target.selectors, undefined);
  assert.deepEqual({ maxConcurrent, merge }, { maxConcurrent: 8, merge: true });
  for (const name of ["web-0", "pod/web-0", "po/web-0", "pods/web-0"]) {
    const { target } = parse(name);
    assert(target.kind === "pod", name);
    assert.equal(target.pod, "web-0");
  }
});

Deno.test("parseArguments: pods by their labels and fields, as kubectl takes them", () => {
  const selectorsOf = (...args: string[]) => {
    const { target } = parse(...args);
    assert(target.kind === "pods");
    assert.deepEqual(target.names, []);
    return target.selectors;
  };
  const web = { label: "app in (web,api),!canary", field: undefined };
  assert.deepEqual(selectorsOf("-l", web.label), web);
  assert.deepEqual(selectorsOf(`--selector=${web.label}`), web);
  assert.deepEqual(selectorsOf(`-l=${web.label}`), web);
  assert.deepEqual(selectorsOf("--all"), { label: undefined, field: undefined });
  const field = "spec.nodeName=n1";
  assert.deepEqual(selectorsOf("--field-selector", field), { label: undefined, field });
  refuses(/take no names .*'web-0'/, "web-0", "-l", "app=web");
  refuses(/take no names/, "web-0", "--all");
  refuses(/leave out --selector/, "--all", "-l", "app=web");
  refuses(/It is empty/, "-l", "");
  refuses(/cannot be used with/, "--daemon", "h:1", "--container-id", "abc", "--all");
});

Deno.test("parseArguments: standard output has place for the merged result of several, if there is one", () => {
  assert.equal(parse("deploy/web", "-o", "-").target.kind, "pods");
  refuses(/-o - takes one result/, "deploy/web", "-o", "-", "--no-merge");
  refuses(/-o - takes one result/, "a", "b", "-o", "-", "--format", "data");
  assert.equal(parse("a", "-o", "-", "--format", "data").target.kind, "pod");
});

Deno.test("parseArguments: how the API server is asked, as kubectl takes it", () => {
  const timeoutOf = (...args: string[]) => {
    const { target } = parse("a", ...args);
    assert(target.kind === "pod");
    return target.cluster.requestTimeoutSeconds;
  };
  const timeouts = { "5": 5, "5s": 5, "1m30s": 90, "0": 0, "0s": 0, "2h": 7200, "250ms": 0.25 };
  for (const [text, seconds] of Object.entries(timeouts)) {
    assert.equal(timeoutOf(`--request-timeout=${text}`), seconds, text);
  }
  for (const text of ["", "-1", "5 s", "soon", "5d"]) {
    refuses(/--request-timeout/, "a", "--request-timeout", text);
  }
  for (const args of [["-v=6"], ["-v6"], ["-v", "6"], ["--v=6"], ["--v", "6"]]) {
    assert.equal(parse("a", ...args).verbosity, 6, args.join(" "));
  }
  for (const text of ["", "-1", "high", "1.5"]) refuses(/-v, --v/, "a", "--v", text);
  assert.deepEqual(parse("a", "-n=shop", "-c=app"), parse("a", "-n", "shop", "-c", "app"));
});

Deno.test("parseArguments: prints its version and help", () => {
  assert.deepEqual(parseArguments(["--version"], "1.2.3"), { kind: "print", text: "1.2.3\n" });
  const help = parseArguments(["--help"], "1.2.3");
  assert(help.kind === "print");
  assert.match(
    help.text,
    /^Usage: necoperf-client \[profile\] \[options\] \(POD \| TYPE\/NAME\)\.\.\.$/m,
  );
  for (const name of ["completion", "convert", "diff", "doctor", "fetch"]) {
    assert.match(help.text, new RegExp(`^  ${name} +[A-Z].{0,65}$`, "m"));
  }
  const ofFetch = parseArguments(["fetch", "--help"], "1.2.3");
  assert(ofFetch.kind === "print");
  assert.match(ofFetch.text, /^Usage: necoperf-client fetch \[options\] RECORDING_ID$/m);
});
