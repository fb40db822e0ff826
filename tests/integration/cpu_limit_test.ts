/**
 * What the daemon reads of containers' CPU limits from the kernel's own cgroups: of v1 and v2 as
 * far as this machine has them. Needs root.
 */
import assert from "node:assert/strict";
import { createContainerLookup } from "../../daemon/containers/container_lookup.ts";
import { createCpuMeters } from "../../daemon/containers/cpu_meter.ts";
import { openProcfs } from "../../daemon/containers/procfs.ts";
import { fromDuration } from "../../proto/duration.ts";
import type { _necoperf_RecordingEvent_Finished__Output as Finished } from "../../proto/gen/necoperf/RecordingEvent.ts";
import type { CpuFindings } from "../../daemon/recording.ts";
import { collect, fetchWhole } from "../testing/calls.ts";
import { type CpuCgroups, makeCpuCgroups } from "../testing/cpu_cgroup.ts";
import { startDaemon, type TestDaemon, type TestDaemonOptions } from "../testing/daemon.ts";
import { eventually } from "../testing/process.ts";
import { programCommand } from "../testing/programs.ts";
import { buildTargets } from "../testing/targets.ts";

const targets = await buildTargets();

const [ID, OTHER] = ["1c", "2d"].map((digits) => digits.repeat(32));
const POD = "72f7f152-440c-46ac-9084-e0fc1d8a910c";
const OTHER_POD = "0b7c1de2-5a0f-4e9d-b7d8-1f0e2d3c4b5a";
const PLACE = `kubepods/burstable/pod${POD}/${ID}`;
const OTHER_PLACE = `kubepods/burstable/pod${OTHER_POD}/${OTHER}`;
const NOT_SEEN = /^the container's cgroup is not among those that the node's daemon sees$/;

/** Measures a container until what was counted fits. */
async function measure(
  containerId: string,
  fits: (findings: CpuFindings) => boolean = () => true,
): Promise<CpuFindings> {
  const procfs = openProcfs("/proc");
  const lookup = createContainerLookup({ by: "cgroup", procDir: "/proc" });
  const openMeter = createCpuMeters({
    procfs,
    lookup,
    directory: "/sys/fs/cgroup",
    intervalMs: 20,
  });
  const container = await eventually(() => lookup.find(containerId));
  return await eventually(async () => {
    using meter = await openMeter(container);
    meter.start();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const findings = await meter.read();
    assert.ok(fits(findings), JSON.stringify(findings));
    return findings;
  });
}

const isThrottled = ({ cpu }: CpuFindings) => (cpu?.bandwidth?.throttledPeriods ?? 0) > 0;

function runLimited(cgroups: CpuCgroups, path = PLACE) {
  cgroups.limit(path, 2000);
  return cgroups.run({ path }, targets.spin);
}

Deno.test("createCpuMeters: counts how often a container's limit was used up, and its processor time", async () => {
  await using cgroups = makeCpuCgroups();
  runLimited(cgroups);
  const { cpu, cpuUnknown } = await measure(ID, isThrottled);
  assert.equal(cpuUnknown, undefined);
  const { bandwidth, elapsedSeconds, usedSeconds, pressureSeconds } = cpu!;
  assert.equal(bandwidth!.quotaSeconds, 0.002);
  assert.equal(bandwidth!.periodSeconds, 0.1);
  assert.ok(bandwidth!.throttledPeriods <= bandwidth!.periods);
  assert.ok(bandwidth!.throttledSeconds > 0);
  // What it used in a period may come up to the quota of two.
  assert.ok(usedSeconds! > 0 && usedSeconds! <= 0.02 * elapsedSeconds + 0.02);
  assert.ok(pressureSeconds! > 0 && pressureSeconds! <= elapsedSeconds + 0.1);
});

Deno.test("createCpuMeters: an idle container's limit is not used up", async () => {
  await using cgroups = makeCpuCgroups();
  cgroups.limit(PLACE, 20_000);
  cgroups.run({ path: PLACE }, targets.idle);
  const { cpu } = await measure(ID);
  assert.equal(cpu!.bandwidth!.quotaSeconds, 0.02);
  assert.equal(cpu!.bandwidth!.throttledPeriods, 0);
  assert.equal(cpu!.bandwidth!.throttledSeconds, 0);
});

Deno.test("createCpuMeters: a container without a limit has no quota", async () => {
  await using cgroups = makeCpuCgroups();
  cgroups.run({ path: PLACE }, targets.spin);
  const { cpu, cpuUnknown } = await measure(ID, ({ cpu }) => (cpu?.usedSeconds ?? 0) > 0);
  assert.equal(cpuUnknown, undefined);
  assert.equal(cpu!.bandwidth!.quotaSeconds, undefined);
  assert.equal(cpu!.bandwidth!.throttledPeriods, 0);
});

Deno.test("createCpuMeters: counts the limit of the pod beside the container's", async () => {
  await using cgroups = makeCpuCgroups();
  cgroups.limit(PLACE.slice(0, PLACE.lastIndexOf("/")), 2000);
  cgroups.run({ path: PLACE }, targets.spin);
  const { cpu } = await measure(ID, ({ cpu }) => (cpu?.podBandwidth?.throttledPeriods ?? 0) > 0);
  assert.equal(cpu!.podBandwidth!.quotaSeconds, 0.002);
  assert.equal(cpu!.bandwidth!.quotaSeconds, undefined);
});

Deno.test("createCpuMeters: counts all of a container whose processes made cgroups below its own", async () => {
  await using cgroups = makeCpuCgroups();
  cgroups.limit(PLACE, 2000);
  // As a tenant would call it who wants another's counters, or hides from his own.
  for (const below of [`init.scope`, `pod${OTHER_POD}/${OTHER}`, OTHER_PLACE]) {
    const running = cgroups.run({ path: `${PLACE}/${below}` }, targets.spin);
    const { cpu } = await measure(ID, isThrottled);
    assert.equal(cpu!.bandwidth!.quotaSeconds, 0.002);
    await running[Symbol.asyncDispose]();
  }
});

Deno.test("createCpuMeters: takes a cgroup that does not name the container for its own when nobody else is in it", async () => {
  await using cgroups = makeCpuCgroups();
  // As the test cluster's Kubernetes 1.37 limits: in v1, on cgroups that name no container.
  cgroups.limit("limits-1c1c1c1c1c1c", 2000);
  cgroups.run({ path: "limits-1c1c1c1c1c1c", v2Path: PLACE }, targets.spin);
  const { cpu } = await measure(ID, isThrottled);
  assert.equal(cpu!.bandwidth!.quotaSeconds, 0.002);
});

Deno.test("createCpuMeters: never reads a cgroup that others are in", async () => {
  await using cgroups = makeCpuCgroups();
  cgroups.limit("shared", 5000);
  cgroups.run({ path: "shared", v2Path: PLACE }, targets.spin);
  cgroups.run({ path: "shared", v2Path: OTHER_PLACE }, targets.spin);
  await eventually(() => measure(OTHER));
  const { cpu, cpuUnknown } = await measure(ID);
  assert.equal(cpu!.bandwidth, undefined);
  assert.match(cpuUnknown!, /^the kernel has no CPU limit among what it counts/);
});

Deno.test("createCpuMeters: never reads a cgroup with others below it", async () => {
  await using cgroups = makeCpuCgroups();
  cgroups.limit("shared", 5000);
  cgroups.run({ path: "shared/other", v2Path: OTHER_PLACE }, targets.spin);
  cgroups.run({ path: "shared", v2Path: PLACE }, targets.spin);
  const { cpu } = await measure(ID);
  assert.equal(cpu!.bandwidth, undefined);
});

Deno.test("createCpuMeters: has what was counted until a container ended", async () => {
  await using cgroups = makeCpuCgroups();
  const running = runLimited(cgroups);
  const procfs = openProcfs("/proc");
  const lookup = createContainerLookup({ by: "cgroup", procDir: "/proc" });
  const container = await eventually(() => lookup.find(ID));
  const openMeter = createCpuMeters({
    procfs,
    lookup,
    directory: "/sys/fs/cgroup",
    intervalMs: 20,
  });
  using meter = await openMeter(container);
  meter.start();
  await measure(ID, isThrottled);
  await running[Symbol.asyncDispose]();
  for (const directory of cgroups.make(PLACE)) await eventually(() => Deno.remove(directory));
  const { cpu } = await meter.read();
  assert.equal(cpu!.bandwidth!.quotaSeconds, 0.002);
  assert.ok(cpu!.bandwidth!.throttledPeriods > 0);
  // What ended before it was counted is said to have.
  using late = await openMeter(container);
  late.start();
  assert.match((await late.read()).cpuUnknown!, NOT_SEEN);
  lookup.close();
});

Deno.test("createCpuMeters: without a pressure of its own, counts how long threads waited", async () => {
  await using cgroups = makeCpuCgroups();
  cgroups.limit(PLACE, 2000);
  // As Kubernetes 1.20 has it: nothing of the container is in v2.
  cgroups.run({ path: PLACE, v2Path: "shared" }, targets.spin);
  cgroups.run({ path: OTHER_PLACE, v2Path: "shared" }, targets.spin);
  await eventually(() => measure(OTHER));
  const { cpu } = await measure(ID, isThrottled);
  assert.equal(cpu!.pressureSeconds, undefined);
  assert.ok(cpu!.delaySeconds! > 0 && cpu!.delaySeconds! <= cpu!.elapsedSeconds + 0.1);
  assert.ok(cpu!.usedSeconds! > 0);
});

Deno.test("createCpuMeters: says that nothing is mounted", async () => {
  const procfs = openProcfs("/proc");
  const lookup = createContainerLookup({ by: "cgroup", procDir: "/proc" });
  const openMeter = createCpuMeters({ procfs, lookup, directory: "/host/nothing" });
  using meter = await openMeter({ id: ID, mainPid: Deno.pid });
  meter.start();
  assert.match(
    (await meter.read()).cpuUnknown!,
    /sees no cgroups.*mount the node's \/sys\/fs\/cgroup at \/host\/nothing \(--cgroup-dir\)/,
  );
});

const SECOND = { seconds: 1, nanos: 0 };
/** Of a fiftieth of a processor enough are to be caught. */
const FREQUENCY = 999;
const DAEMON = "e0".repeat(32);

/** A daemon that finds the machine's cgroups where its permissions let it look. */
function startWithCgroups(options: TestDaemonOptions = {}) {
  return startDaemon({
    args: ["--container-lookup", "cgroup"],
    prepare: "mkdir -p /host/cgroup && mount --rbind /sys/fs/cgroup /host/cgroup",
    ...options,
  });
}

/** Records until what was counted fits: on a busy machine a container may not get to its limit. */
function recordUntil(daemon: TestDaemon, fits: (finished: Finished) => boolean) {
  return eventually(async () => {
    const options = { frequency: FREQUENCY };
    const events = await collect(daemon, { containerId: ID, duration: SECOND, options });
    const { finished } = events.at(-1)!;
    assert.ok(fits(finished!), JSON.stringify(finished));
    return events;
  }, 60);
}

for (const isInNamespace of [false, true]) {
  const where = isInNamespace ? "in a cgroup namespace of its own" : "in the machine's";
  Deno.test(`necoperf-daemon: ${where}, it says with a recording what the limit did`, async () => {
    await using cgroups = makeCpuCgroups();
    runLimited(cgroups);
    // From a namespace, directories are looked for by their names: not below a tenant's container.
    cgroups.make(`${OTHER}/burstable/pod${POD}/${ID}`);
    const own = cgroups.make(`kubepods/besteffort/podd/${DAEMON}`);
    const moves = own.map((directory) => `echo $$ >${directory}/cgroup.procs`).join(" && ");
    const script = `${moves} && exec unshare --cgroup "$@"`;
    const wrapper = isInNamespace ? ["sh", "-c", script, "sh"] : [];
    await using daemon = await startWithCgroups({ wrapper });
    const events = await recordUntil(
      daemon,
      ({ cpu }) => (cpu?.bandwidth?.throttledPeriods ?? 0) > 0,
    );
    const finished = events.at(-1)!.finished!;
    assert.equal(finished.cpuUnknown, "");
    const { elapsed, used, bandwidth, pressure } = finished.cpu!;
    assert.equal(fromDuration(bandwidth!.quota), 0.002);
    assert.equal(fromDuration(bandwidth!.period), 0.1);
    assert.ok(bandwidth!.throttledPeriods > 0);
    assert.ok(bandwidth!.throttledPeriods <= bandwidth!.periods);
    assert.ok(fromDuration(bandwidth!.throttled) > 0);
    assert.ok(fromDuration(used) > 0);
    assert.ok(fromDuration(pressure) > 0);
    assert.ok(fromDuration(elapsed) > 0);
    // Whoever fetches the result hears the same.
    const { recordingId } = events[0].accepted!;
    assert.deepEqual((await fetchWhole(daemon, recordingId)).finished.cpu, finished.cpu);
  });
}

Deno.test("necoperf-daemon: without the node's cgroups it records, and says why it does not know", async () => {
  await using cgroups = makeCpuCgroups();
  runLimited(cgroups);
  await using daemon = await startWithCgroups({ prepare: "" });
  const events = await recordUntil(daemon, () => true);
  const { cpu, cpuUnknown, samples } = events.at(-1)!.finished!;
  assert.ok(samples > 0);
  assert.equal(cpu, null);
  assert.match(cpuUnknown, /--cgroup-dir/);
});

/** Records a container with the client's own program. */
async function runClient(address: string, containerId: string, ...args: string[]) {
  const outputDirectory = await Deno.makeTempDir({ prefix: "necoperf-test-" });
  try {
    const [command, ...before] = programCommand("client");
    const { code, stdout, stderr } = await new Deno.Command(command, {
      args: [
        ...before,
        ...["--daemon", address, "--container-id", containerId, "--duration", "2s"],
        ...["--frequency", `${FREQUENCY}`, "--output-dir", outputDirectory, ...args],
      ],
      stdin: "null",
    }).output();
    const [text, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.equal(code, 0, said);
    return { stdout: text, stderr: said, result: await onlyFile(outputDirectory) };
  } finally {
    await Deno.remove(outputDirectory, { recursive: true });
  }
}

async function onlyFile(directory: string): Promise<string> {
  const [{ name }, ...others] = await Array.fromAsync(Deno.readDir(directory));
  assert.deepEqual(others, []);
  return await Deno.readTextFile(`${directory}/${name}`);
}

Deno.test("necoperf-client: says what a limit did: in the summary, in a warning, on the page and in --json", async () => {
  await using cgroups = makeCpuCgroups();
  runLimited(cgroups);
  await using daemon = await startWithCgroups();
  const { page, warning } = await eventually(async () => {
    const page = await runClient(daemon.address, ID, "--format", "flamegraph");
    const found = /: warning: (its CPU limit of 20m stopped the container .*)/.exec(page.stderr);
    assert.ok(found, page.stderr);
    return { page, warning: found[1] };
  }, 60);
  assert.match(page.stderr, /; CPU limit of 20m used up in \d+ of \d+ periods; /);
  assert.match(warning, /A limit of about \d+m? would have been enough$/);
  const [, data] = /<script id="data" type="application\/json">(.*?)<\/script>/s.exec(page.result)!;
  assert.deepEqual(JSON.parse(data).notes, [`I${warning.slice(1)}.`]);
  const { cpuLimit, warnings } = await eventually(async () => {
    const report = JSON.parse((await runClient(daemon.address, ID, "--json")).stdout);
    assert.equal(report.cpuLimit.heldBackBy, "limit");
    return report;
  }, 60);
  assert.equal(cpuLimit.limitCpus, 0.02);
  assert.ok(cpuLimit.enoughCpus > 0.02);
  assert.ok(warnings.some(({ kind }: { kind: string }) => kind === "CPU limit"));
});

Deno.test("necoperf-client: says of a container without a limit that it has none", async () => {
  await using cgroups = makeCpuCgroups();
  cgroups.run({ path: PLACE }, targets.spin);
  await using daemon = await startWithCgroups();
  const { stderr, result } = await runClient(daemon.address, ID, "--format", "flamegraph");
  assert.match(stderr, /; no CPU limit; /);
  assert.doesNotMatch(stderr, /its CPU limit/);
  assert.match(result, /"notes":\["(No CPU limit\.|The node's processors were busy: [^"]*)"\]/);
});
