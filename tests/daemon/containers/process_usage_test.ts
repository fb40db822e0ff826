import assert from "node:assert/strict";
import { openProcfs } from "../../../daemon/containers/procfs.ts";
import { parseProcessUsage } from "../../../daemon/containers/process_usage.ts";

const STAT = "7 (perf) R 1 7 7 0 -1 0 0 0 0 0 120 30 0 0 20 0 1 0 123 0 0\n";
const STATUS = "Name:\tperf\nVmRSS:\t  9000 kB\nRssAnon:\t  4096 kB\nRssFile:\t  3000 kB\n" +
  "RssShmem:\t  1024 kB\n";

Deno.test("parseProcessUsage: reads memory, time and state", () => {
  assert.deepEqual(parseProcessUsage(STAT, STATUS), {
    memoryBytes: 5 * 2 ** 20,
    cpuSeconds: 1.5,
    runnable: true,
  });
  assert.equal(parseProcessUsage(STAT.replace(" R ", " S "), STATUS)!.runnable, false);
});

Deno.test("parseProcessUsage: a process that has ended has no memory, and no usage", () => {
  assert.equal(parseProcessUsage(STAT.replace(" R ", " Z "), "Name:\tperf\n"), undefined);
  assert.equal(parseProcessUsage("", STATUS), undefined);
});

Deno.test("Procfs.usage: says of a real process what it takes", async () => {
  const procfs = openProcfs("/proc");
  const usage = (await procfs.usage(Deno.pid))!;
  const { rss } = Deno.memoryUsage();
  assert.ok(usage.memoryBytes > 2 ** 20 && usage.memoryBytes < 2 * rss, `${usage.memoryBytes}`);
  assert.ok(usage.cpuSeconds > 0);
  assert.equal(await procfs.usage(2 ** 22 + 1), undefined);
});
