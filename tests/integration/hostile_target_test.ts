/** The real daemon and targets that choose what perf has to say of them: it stays within its memory. */
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { assertNothingLeft, collect, deleteResult, fetchResult } from "../testing/calls.ts";
import { type CgroupContainer, makeContainer } from "../testing/container_cgroup.ts";
import { startDaemon } from "../testing/daemon.ts";
import { eventually } from "../testing/process.ts";
import { peakBytes } from "../testing/resources.ts";
import { buildTargets, BUSY_FUNCTION } from "../testing/targets.ts";

const targets = await buildTargets();

const PEAK_BYTES = 160e6;
const SECOND = { seconds: 1, nanos: 0 };

function start(...args: string[]) {
  return startDaemon({ args: ["--container-lookup", "cgroup", ...args] });
}

/** Starts processes with long mappings; 22 with 6,000 are 220 MB of perf.data before the first sample. */
async function runMappings(
  container: CgroupContainer,
  directory: string,
  { processes, mappings }: { processes: number; mappings: number },
): Promise<void> {
  const before = container.pids().length;
  container.run(targets.mappings, directory, `${processes}`, `${mappings}`);
  await eventually(() => assert.equal(container.pids().length, before + processes));
}

Deno.test("StartRecording: mappings of a target take no memory of the daemon's", async () => {
  const directory = await Deno.makeTempDir();
  {
    await using daemon = await start();
    await using container = makeContainer();
    await runMappings(container, directory, { processes: 22, mappings: 6000 });
    const request = { containerId: container.id, duration: SECOND };
    const events = await collect(daemon, request);
    const finished = events.at(-1)!.finished!;
    assert.equal(finished.completeness, "COMPLETENESS_FULL");
    assert.equal(events.find(({ started }) => started)!.started!.processes, 22);
    const { recordingId } = events[0].accepted!;
    const text = gunzipSync(await fetchResult(daemon, recordingId)).toString();
    assert.ok(text.includes(BUSY_FUNCTION));
    await deleteResult(daemon, recordingId);

    // There is no way to make an incomplete perf.data whole.
    await assert.rejects(
      collect(daemon, { ...request, options: { format: "FORMAT_DATA" } }),
      /more than 8Mi to say of what the 22 processes have mapped.*--format script/,
    );
    await assertNothingLeft(daemon);
    const peak = await peakBytes(daemon.pid);
    assert.ok(peak < PEAK_BYTES, `the daemon took ${peak / 1e6} MB`);
  }
  await Deno.remove(directory, { recursive: true });
});

Deno.test("StartRecording: a target with more threads or processes than perf may open is refused", async () => {
  const directory = await Deno.makeTempDir();
  {
    await using daemon = await start("--max-threads", "100");
    for (
      const grow of [
        (container: CgroupContainer) => void container.run(targets.threads, "101"),
        (container: CgroupContainer) =>
          runMappings(container, directory, { processes: 101, mappings: 1 }),
      ]
    ) {
      await using container = makeContainer();
      await using main = container.run(targets.spin);
      await eventually(() => assert.equal(container.pids().length, 1));
      await grow(container);
      const request = { containerId: container.id, duration: SECOND };
      await eventually(() =>
        assert.rejects(
          collect(daemon, request),
          /the 102 threads of .* above this node's limit of 100 \(--max-threads\).*--main-process/,
        )
      );
      await assertNothingLeft(daemon);
      const events = await collect(daemon, { ...request, options: { mainProcess: true } });
      const { recordingId } = events[0].accepted!;
      const text = gunzipSync(await fetchResult(daemon, recordingId)).toString();
      assert.match(text, new RegExp(`^spin +${main.pid}/`, "m"));
      await deleteResult(daemon, recordingId);
    }
  }
  await Deno.remove(directory, { recursive: true });
});
