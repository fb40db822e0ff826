/**
 * The real daemon when perf goes wrong: it is killed, stopped or replaced by one that is the real
 * perf but for one fault.
 */
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import type { StartRecordingRequest } from "../../proto/gen/necoperf/StartRecordingRequest.ts";
import { grpc } from "../../proto/grpc.ts";
import {
  assertNothingLeft,
  collect,
  deleteResult,
  fetchResult,
  findChildren,
} from "../testing/calls.ts";
import { startDaemon, type TestDaemon, type TestDaemonOptions } from "../testing/daemon.ts";
import { makeContainer } from "../testing/container_cgroup.ts";
import { eventually, run } from "../testing/process.ts";
import { buildTargets, BUSY_FUNCTION } from "../testing/targets.ts";

const targets = await buildTargets();

const SECOND = { seconds: 1, nanos: 0 };
const LONG = { seconds: 60, nanos: 0 };

function start({ args = [], ...options }: TestDaemonOptions = {}): Promise<TestDaemon> {
  return startDaemon({ ...options, args: ["--container-lookup", "pid", ...args] });
}

/**
 * Starts a daemon whose perf is a shell script. The script has the real perf in `$perf`, and runs
 * it when none of the `cases`, by perf's arguments, has ended it.
 */
async function startWith(cases: string, options: TestDaemonOptions = {}): Promise<TestDaemon> {
  const directory = await Deno.makeTempDir();
  const script =
    `#!/bin/sh\nperf=${directory}/real\ncase "$*" in\n${cases}\nesac\nexec $perf "$@"\n`;
  await Deno.writeTextFile(`${directory}/perf`, script, { mode: 0o755 });
  const daemon = await start({
    ...options,
    prepare: `cp "$(command -v perf)" ${directory}/real
      mount --bind ${directory}/perf "$(command -v perf)"`,
  });
  return {
    ...daemon,
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** Sends a signal to the daemon's perf of that name. */
async function signal(daemon: TestDaemon, name: "record" | "script", sent: Deno.Signal) {
  const lines = (await findChildren(daemon.pid)).filter((line) => line.includes(`perf ${name} `));
  assert.equal(lines.length, 1, lines.join("\n"));
  Deno.kill(Number(lines[0].split(" ")[0]), sent);
}

/**
 * No perf, no file and no place in the queue is taken; the next recording works where perf does.
 */
async function assertIdle(daemon: TestDaemon): Promise<void> {
  await assertNothingLeft(daemon);
  const metrics = await (await fetch(`${daemon.http}/metrics`)).text();
  assert.match(metrics, /^necoperf_recordings_running 0$/m);
  assert.match(metrics, /^necoperf_queue_length 0$/m);
}

async function assertFails(
  daemon: TestDaemon,
  request: StartRecordingRequest,
  { code = grpc.status.INTERNAL, words, onEvent }: {
    code?: grpc.status;
    words: RegExp;
    onEvent?: Parameters<typeof collect>[2];
  },
): Promise<void> {
  await assert.rejects(collect(daemon, request, onEvent), (error: grpc.ServiceError) => {
    assert.equal(error.code, code, error.details);
    assert.match(error.details, words);
    return true;
  });
  await assertIdle(daemon);
}

for (const format of ["FORMAT_SCRIPT", "FORMAT_DATA"] as const) {
  for (const sent of ["SIGKILL", "SIGTERM"] as const) {
    Deno.test(`StartRecording: a perf record ended by ${sent} gives what it has sampled, as ${format}`, async () => {
      await using daemon = await start();
      await using target = run(targets.spin);
      let killed: Promise<void> | undefined;
      const request = { containerId: `${target.pid}`, duration: LONG, options: { format } };
      const events = await collect(daemon, request, ({ progress }) => {
        if (progress && progress.samples >= 20) killed ??= signal(daemon, "record", sent);
      });
      await killed;
      const finished = events.at(-1)!.finished!;
      assert.equal(finished.completeness, "COMPLETENESS_PERF_FAILED");
      assert.ok(finished.samples >= 20);
      const { recordingId } = events[0].accepted!;
      const result = gunzipSync(await fetchResult(daemon, recordingId));
      assert.equal(result.length, finished.size);
      const text = format === "FORMAT_SCRIPT" ? result.toString() : await readPerfData(result);
      assert.equal(text.match(/^spin /gm)?.length, finished.samples);
      assert.ok(text.includes(BUSY_FUNCTION));
      const line = await daemon.logged(({ message }) => message === "perf failed");
      assert.match(String(line.error), sent === "SIGKILL" ? /by SIGKILL/ : /told to end early/);
      await deleteResult(daemon, recordingId);
      await assertIdle(daemon);
    });
  }
}

async function readPerfData(data: Uint8Array): Promise<string> {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeFile(file, data);
    const { stdout } = await new Deno.Command("perf", { args: ["script", "-i", file] }).output();
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("StartRecording: a perf record that is killed before it has a sample is told", async () => {
  await using daemon = await start();
  await using target = run(targets.idle);
  await assertFails(daemon, { containerId: `${target.pid}`, duration: LONG }, {
    words: /^perf record failed: It was ended by SIGKILL/,
    onEvent: ({ event }) => event === "started" && void signal(daemon, "record", "SIGKILL"),
  });
});

Deno.test("StartRecording: a perf script that is killed is told at once", async () => {
  await using daemon = await start();
  await using target = run(targets.spin);
  let killed = false;
  await assertFails(daemon, { containerId: `${target.pid}`, duration: LONG }, {
    words: /^perf script failed: It was ended by SIGKILL/,
    onEvent: ({ event }) => {
      if (event === "progress" && !killed) signal(daemon, "script", "SIGKILL");
      killed ||= event === "progress";
    },
  });
});

for (const sent of ["time", "stop"] as const) {
  Deno.test(`StartRecording: a perf record that does not end by ${sent} is killed, what it sampled is kept`, async () => {
    await using daemon = await start();
    await using target = run(targets.spin);
    let recordingId = "";
    let stopped: Promise<void> | undefined;
    const request = {
      containerId: `${target.pid}`,
      duration: sent === "time" ? { seconds: 2, nanos: 0 } : LONG,
      // So that a target has its samples in time where many run.
      options: { frequency: 999 },
    };
    const events = await collect(daemon, request, ({ accepted, progress }) => {
      if (accepted) recordingId = accepted.recordingId;
      if (!progress || progress.samples < 20 || stopped) return;
      // It cannot end, nor write what it samples from here on.
      stopped = signal(daemon, "record", "SIGSTOP").then(() => {
        if (sent === "stop") daemon.client.StopRecording({ recordingId }, () => {});
      });
    });
    await stopped;
    const finished = events.at(-1)!.finished!;
    assert.equal(finished.completeness, "COMPLETENESS_PERF_FAILED");
    const text = gunzipSync(await fetchResult(daemon, recordingId)).toString();
    assert.equal(text.match(/^spin /gm)?.length, finished.samples);
    const line = await daemon.logged(({ message }) => message === "perf failed");
    assert.match(String(line.error), /It did not end in 10 s when it had to, and was killed/);
    await deleteResult(daemon, recordingId);
    await assertIdle(daemon);
  });
}

Deno.test("StartRecording: a perf record that never begins is killed and told", async () => {
  await using daemon = await startWith("record*--control*) exec sleep 600 ;;");
  await using target = run(targets.spin);
  await assertFails(daemon, { containerId: `${target.pid}`, duration: LONG }, {
    words: /^perf record failed: It did not begin in 30 s, and was killed/,
  });
});

Deno.test("StartRecording: a process id that is used again while perf attaches gives nothing of the other process", async () => {
  const directory = await Deno.makeTempDir();
  await using container = makeContainer();
  await using target = container.run(targets.spin);
  await using left = container.run(targets.threads, "1");
  await eventually(() => assert.equal(container.pids().length, 2));
  // The first time, another process takes the place of the target before perf opens anything. The
  // kernel is told which id it gave out last; others on this machine start processes, too.
  const replace = `record*--control*)
    if [ ! -e ${directory}/other ]; then
      kill -KILL ${target.pid}
      while [ -e /proc/${target.pid} ]; do sleep 0.01; done
      for try in $(seq 1000); do
        echo ${target.pid - 1} >/proc/sys/kernel/ns_last_pid
        ${targets.spinDynamic} 60 <&- >&- 2>&- &
        [ $! != ${target.pid} ] || break
        kill $!
      done
      echo $! >${directory}/other
    fi ;;`;
  {
    await using daemon = await startWith(replace, { args: ["--container-lookup", "cgroup"] });
    const events = await collect(daemon, { containerId: container.id, duration: SECOND });
    const other = Number(await Deno.readTextFile(`${directory}/other`));
    try {
      assert.equal(other, target.pid, "the id could not be taken");
      assert.deepEqual(
        events.filter(({ started }) => started).map(({ started }) => started!.processes),
        [1],
      );
      const { recordingId } = events[0].accepted!;
      const text = gunzipSync(await fetchResult(daemon, recordingId)).toString();
      const pids = [...text.matchAll(/^\S+\s+(\d+)\/\d+ /gm)].map(([, pid]) => Number(pid));
      assert.ok(pids.length > 0);
      assert.deepEqual([...new Set(pids)], [left.pid]);
      await deleteResult(daemon, recordingId);
    } finally {
      Deno.kill(other, "SIGKILL");
    }
    // That one is a child of the daemon's, too, until it is waited for.
    await eventually(() => assertIdle(daemon));
  }
  await Deno.remove(directory, { recursive: true });
});

Deno.test("StartRecording: an event that perf leaves out is refused", async () => {
  // perf 7.2 goes on without an event that it cannot open; Debian 12 has 6.1, which ends.
  await using daemon = await startWith(`record*--control*--event=cache-misses*)
    for arg do
      shift
      [ "$arg" = --event=cache-misses ] || set -- "$@" "$arg"
    done
    echo "Error:" >&2
    echo "Failure to open event 'cache-misses' on PMU 'cpu' which will be removed." >&2
    echo "The cache-misses event is not supported." >&2
    exec $perf "$@" ;;`);
  await using target = run(targets.spin);
  for (const format of ["FORMAT_SCRIPT", "FORMAT_DATA"] as const) {
    const options = { events: ["cpu-clock", "cache-misses"], format };
    await assertFails(daemon, { containerId: `${target.pid}`, duration: LONG, options }, {
      code: grpc.status.FAILED_PRECONDITION,
      words: /^this node cannot record that: The cache-misses event is not supported\.$/,
    });
  }
});

Deno.test("StartRecording: a perf record whose output is not perf.data is ended and reported", async () => {
  await using daemon = await startWith(
    'record*--control*) head -c 100000 /dev/urandom; exec $perf "$@" ;;',
  );
  await using target = run(targets.spin);
  for (const format of ["FORMAT_SCRIPT", "FORMAT_DATA"] as const) {
    const request = { containerId: `${target.pid}`, duration: LONG, options: { format } };
    await assertFails(daemon, request, {
      words: /^perf record failed: its output is not perf\.data/,
    });
  }
});

Deno.test("StartRecording: a perf script that prints no text, or nothing, is told", async () => {
  for (
    const [fault, words] of [
      [
        "head -c 1000 /dev/zero; exec cat >/dev/null",
        /^perf script failed: its output is not text/,
      ],
      ["exec cat >/dev/null", /^perf script failed: it printed nothing of \d+ samples/],
      ["exit 0", /^perf script failed: it ended before its input did/],
      ["echo 'out of luck' >&2; exit 3", /^perf script failed: out of luck/],
    ] as const
  ) {
    await using daemon = await startWith(`script*) ${fault} ;;`);
    await using target = run(targets.spin);
    await assertFails(daemon, { containerId: `${target.pid}`, duration: SECOND }, { words });
  }
});

Deno.test("StartRecording: a perf script that hangs at the end is killed and told", async () => {
  await using daemon = await startWith(
    // Deaf to being asked to end, too.
    'script*) trap "" TERM; $perf "$@"; exec sleep 600 ;;',
    { args: ["--conversion-timeout", "2s"] },
  );
  await using target = run(targets.spin);
  await assertFails(daemon, { containerId: `${target.pid}`, duration: SECOND }, {
    words: /^perf script failed: it did not end in 2s after the sampling did, and was killed/,
  });
});

for (const much of [false, true]) {
  const how = much ? "and holds perf record up" : "with little to read";
  Deno.test(`StartRecording: a perf script that stands still ${how} is killed and told`, async () => {
    await using daemon = await start({ args: ["--conversion-timeout", "2s"] });
    await using target = run(targets.spin);
    let stopped: Promise<void> | undefined;
    const request: StartRecordingRequest = {
      containerId: `${target.pid}`,
      duration: { seconds: 5, nanos: 0 },
      // Stacks of 64 KB fill what may wait in the daemon's memory at once.
      options: much
        ? { callGraph: "CALL_GRAPH_DWARF", stackSize: 65528, frequency: 999 }
        : { callGraph: "CALL_GRAPH_FP" },
    };
    await assertFails(daemon, request, {
      words: /^perf script failed: it did not end in 2s after the sampling did, and was killed/,
      onEvent: ({ progress }) => {
        if (progress) stopped ??= signal(daemon, "script", "SIGSTOP");
      },
    });
    assert.ok(stopped);
    await stopped;
  });
}

for (const format of ["FORMAT_DATA", "FORMAT_SCRIPT"] as const) {
  Deno.test(`StartRecording: a disk that is full ends the recording at once, as ${format}`, async () => {
    await using daemon = await start({
      prepare: "mount -t tmpfs -o size=4k,mode=777 tmpfs /var/necoperf",
    });
    await using target = run(targets.spin);
    const options = { format, callGraph: "CALL_GRAPH_DWARF", frequency: 999 } as const;
    const duration = { seconds: 600, nanos: 0 };
    await assertFails(daemon, { containerId: `${target.pid}`, duration, options }, {
      code: grpc.status.RESOURCE_EXHAUSTED,
      words: /work directory: .*[Nn]o space/,
    });
  });
}

Deno.test("StartRecording: a work directory that takes no more files is told, and comes back to use", async () => {
  await using daemon = await start({ prepare: "mount -t tmpfs tmpfs /var/necoperf" });
  await using target = run(targets.spin);
  const remount = async (mode: "ro" | "rw") => {
    const args = [`--mount=/proc/${daemon.pid}/ns/mnt`, "mount", "-o", `remount,${mode}`];
    const { success } = await new Deno.Command("nsenter", { args: [...args, "/var/necoperf"] })
      .output();
    assert.ok(success);
  };
  const request = { containerId: `${target.pid}`, duration: SECOND };
  await remount("ro");
  await assertFails(daemon, request, {
    code: grpc.status.RESOURCE_EXHAUSTED,
    words: /work directory: .*[Rr]ead-only/,
  });
  await remount("rw");
  await eventually(async () => {
    const events = await collect(daemon, request);
    assert.equal(events.at(-1)!.finished?.completeness, "COMPLETENESS_FULL");
  });
});
