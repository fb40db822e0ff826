/** Whatever text the pure parts are given, they answer or refuse with words; nothing else. */
import assert from "node:assert/strict";
import { parseArguments as parseClientArguments } from "../../cli/arguments/arguments.ts";
import { CliError } from "../../cli/errors.ts";
import { parseArguments as parseDaemonArguments, UsageError } from "../../daemon/arguments.ts";
import { containersOfCgroup } from "../../daemon/containers/cgroup.ts";
import { parseContainerId } from "../../daemon/containers/container_id.ts";
import { pidOfInfo } from "../../daemon/containers/cri_info.ts";
import { classifyPerfFailure, perfError } from "../../daemon/perf/perf_failure.ts";
import { findVersionSkew } from "../../daemon/perf/perf_version.ts";
import { StatusError } from "../../daemon/status_error.ts";
import { formatDuration, parseDuration } from "../../proto/duration.ts";
import { CASES, createRandom, type Random, SEED } from "./random.ts";

const ID = "0f".repeat(32);
const POD = "7e5c4e2a-9b1f-4d0e-8c36-2f4b8a1d9c70";
const CGROUPS = [
  `0::/kubepods/besteffort/pod${POD}/${ID}\n`,
  `12:cpu,cpuacct:/kubepods.slice/kubepods-pod${POD.replaceAll("-", "_")}.slice/crio-${ID}.scope\n`,
  `1:name=systemd:/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:${ID}\n`,
];
// deno-lint-ignore no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/;

/** Runs one case after the other and tells the seed with the input that broke it. */
function fuzz(name: string, run: (random: Random) => { input: unknown; check: () => void }): void {
  Deno.test(`fuzz: ${name}`, () => {
    const random = createRandom(SEED);
    for (let count = 0; count < CASES; count++) {
      const { input, check } = run(random);
      try {
        check();
      } catch (error) {
        throw new Error(`seed ${SEED}, case ${count}: ${JSON.stringify(input)}`, { cause: error });
      }
    }
  });
}

/** Lets only errors of one kind pass, and none whose words would harm a terminal or a log. */
function refusesWith(
  kind: new (...args: never[]) => Error,
  run: () => unknown,
  maxLength = Infinity,
): void {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof kind, `${(error as Error).stack}`);
    assert.ok(error.message.length > 0);
    assert.ok(error.message.length <= maxLength, `${error.message.length} characters`);
  }
}

fuzz("a container id is 64 hexadecimal digits or refused", (random) => {
  const input = random.integer(2) ? random.text(80) : random.mutate(`containerd://${ID}`);
  return {
    input,
    check: () =>
      refusesWith(StatusError, () => {
        try {
          assert.match(parseContainerId(input), /^[0-9a-f]{64}$/);
        } catch (error) {
          assert.doesNotMatch((error as Error).message, CONTROLS);
          throw error;
        }
      }, 1000),
  };
});

fuzz("/proc/PID/cgroup gives ids of containers only", (random) => {
  const input = random.integer(4) ? random.mutate(random.pick(CGROUPS)) : random.text(200);
  return {
    input,
    check: () => {
      for (const container of containersOfCgroup(input)) {
        assert.match(container.id, /^[0-9a-f]{64}$/);
        assert.ok(container.podUid === undefined || /^[0-9a-f-]{32,36}$/.test(container.podUid));
        assert.ok(input.includes(container.id));
      }
    },
  };
});

fuzz("info of CRI gives a process id or an error", (random) => {
  const json = random.mutate(JSON.stringify({ sandboxID: ID, pid: 4711, privileged: false }));
  const input = random.pick<Record<string, string>>([
    { info: json },
    { info: random.text(50) },
    { pid: random.text(10) },
    { [random.text(5)]: random.text(5) },
  ]);
  return {
    input,
    check: () =>
      refusesWith(StatusError, () => {
        const pid = pidOfInfo(input);
        assert.ok(Number.isInteger(pid) && pid > 0 && pid <= 2 ** 22, `${pid}`);
      }, 1000),
  };
});

fuzz("a duration is above zero or refused", (random) => {
  const input = random.integer(2) ? random.mutate("1h30m15s") : random.text(10);
  return {
    input,
    check: () =>
      refusesWith(RangeError, () => {
        const seconds = parseDuration(input);
        assert.ok(seconds > 0);
        formatDuration(seconds);
      }),
  };
});

fuzz("perf's messages, whatever they are, make an error", (random) => {
  const input = random.integer(2)
    ? random.text(200)
    : random.mutate("Error:\nCouldn't create thread/CPU maps: No such process\n");
  return {
    input,
    check: () => {
      classifyPerfFailure(input);
      assert.ok(perfError("perf record", input).message.length < 1000);
      findVersionSkew(input, random.text(5));
    },
  };
});

const CLIENT_WORDS = [
  ...["-n", "--namespace", "-c", "-o", "--output-dir", "-d", "--duration", "--timeout", "-F", "-e"],
  ...[
    "--frequency",
    "--event",
    "--call-graph",
    "--all-user",
    "--all-kernel",
    "--inline",
    "--format",
  ],
  ...["--no-inline", "--main-process", "--kubeconfig", "--context", "--daemon", "--container-id"],
  ...[
    "-q",
    "--",
    "-",
    "",
    "profile",
    "web-1",
    "30s",
    "0",
    "-1",
    "abc",
    "99",
    "dwarf",
    "dwarf,8192",
  ],
  ...["dwarf,-8", "fp", "script", "data", "cycles,", ",", "127.0.0.1:6543", "[::1]:1", ":", ID],
];
const DAEMON_WORDS = [
  ...[
    "start",
    "start",
    "start",
    "--port",
    "--metrics-port",
    "--address",
    "--work-dir",
    "--proc-dir",
  ],
  ...[
    "--container-lookup",
    "cri",
    "cgroup",
    "pid",
    "--max-duration",
    "--max-frequency",
    "6543",
    "0",
  ],
  ...[
    "--max-stack-size",
    "--allowed-events",
    "--max-concurrent",
    "--max-queue",
    "127.0.0.1",
    "10m",
  ],
  ...[
    "--shutdown-grace",
    "--",
    "",
    "-1",
    "abc",
    "cycles,instructions",
    "-o/tmp/x",
    "99999999999999",
  ],
];

function words(random: Random, known: readonly string[]): string[] {
  return Array.from({ length: random.integer(7) }, () =>
    random.pick([
      () => random.pick(known),
      () => random.pick(known),
      () => random.mutate(random.pick(known)),
      () => random.text(12),
    ])());
}

fuzz("the client's command line is understood or refused with words", (random) => {
  const input = words(random, CLIENT_WORDS);
  return {
    input,
    check: () => refusesWith(CliError, () => parseClientArguments(input, "1.2.3")),
  };
});

fuzz("the daemon's command line is understood or refused with words", (random) => {
  const input = words(random, DAEMON_WORDS);
  return {
    input,
    check: () => refusesWith(UsageError, () => parseDaemonArguments(input, "1.2.3")),
  };
});
