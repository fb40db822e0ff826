import assert from "node:assert/strict";
import {
  readBandwidthV1,
  readBandwidthV2,
  readPressure,
  readUseV1,
  readUseV2,
} from "../../../daemon/containers/cpu_files.ts";

/** Files of a cgroup. */
function files(texts: Record<string, string>) {
  return (name: string) => Promise.resolve<string | undefined>(texts[name]);
}

// As Linux 6.18 wrote them for a container with a limit of 200m.
const V1 = {
  "cpu.stat":
    "nr_periods 99\nnr_throttled 96\nthrottled_time 7058517648\nnr_bursts 0\nburst_time 0\n",
  "cpu.cfs_quota_us": "20000\n",
  "cpu.cfs_period_us": "100000\n",
};

Deno.test("readBandwidthV1: reads a limit and how often it was used up, in seconds", async () => {
  assert.deepEqual(await readBandwidthV1(files(V1)), {
    quotaSeconds: 0.02,
    periodSeconds: 0.1,
    periods: 99,
    throttledPeriods: 96,
    throttledSeconds: 7.058517648,
  });
});

Deno.test("readBandwidthV1: a quota of -1 means no limit", async () => {
  const bandwidth = await readBandwidthV1(files({ ...V1, "cpu.cfs_quota_us": "-1\n" }));
  assert.equal(bandwidth!.quotaSeconds, undefined);
  assert.equal(bandwidth!.periodSeconds, 0.1);
});

// Made up after Documentation/admin-guide/cgroup-v2.rst and the kernel's cpu_stat_show: the
// controllers of the machines that this is tested on are v1's, whose v2 has `usage_usec` and no
// limits.
const V2 = {
  "cpu.stat": "usage_usec 1986216\nuser_usec 1944910\nsystem_usec 41305\nnice_usec 0\n" +
    "core_sched.force_idle_usec 0\nnr_periods 300\nnr_throttled 290\nthrottled_usec 23100000\n" +
    "nr_bursts 0\nburst_usec 0\n",
  "cpu.max": "20000 100000\n",
};

Deno.test("readBandwidthV2: reads a limit and how often it was used up, in seconds", async () => {
  assert.deepEqual(await readBandwidthV2(files(V2)), {
    quotaSeconds: 0.02,
    periodSeconds: 0.1,
    periods: 300,
    throttledPeriods: 290,
    throttledSeconds: 23.1,
  });
});

Deno.test("readBandwidthV2: `max` means no limit", async () => {
  const bandwidth = await readBandwidthV2(files({ ...V2, "cpu.max": "max 100000\n" }));
  assert.equal(bandwidth!.quotaSeconds, undefined);
  assert.equal(bandwidth!.periods, 300);
});

for (
  const [what, texts] of Object.entries<Record<string, string>>({
    "no files": {},
    // As this machine's v2 has it.
    "no controller": { "cpu.stat": "usage_usec 1986216\nuser_usec 1944910\nsystem_usec 41305\n" },
    "no cpu.max": { "cpu.stat": V2["cpu.stat"] },
    "a half-read cpu.max": { ...V2, "cpu.max": "20000" },
    "a period of 0": { ...V2, "cpu.max": "20000 0\n" },
    "a negative number": {
      ...V2,
      "cpu.stat": V2["cpu.stat"].replace("nr_throttled 290", "nr_throttled -1"),
    },
    "a name that only ends alike": {
      ...V2,
      "cpu.stat": V2["cpu.stat"].replace("\nnr_periods", "\nxnr_periods"),
    },
    "no number": { ...V2, "cpu.max": "NaN 100000\n" },
    "a number without end": { ...V2, "cpu.max": `${"9".repeat(400)} 100000\n` },
  })
) {
  Deno.test(`readBandwidthV2: does not know the limit: ${what}`, async () => {
    assert.equal(await readBandwidthV2(files(texts)), undefined);
  });
}

Deno.test("readUseV1, readUseV2: read processor time in seconds", async () => {
  assert.equal(await readUseV1(files({ "cpuacct.usage": "1500000000\n" })), 1.5);
  assert.equal(await readUseV2(files(V2)), 1.986216);
  assert.equal(await readUseV1(files({})), undefined);
  assert.equal(await readUseV2(files({})), undefined);
});

Deno.test("readPressure: reads how long some thread waited, in seconds", async () => {
  // As Linux 6.18 wrote it.
  const text = "some avg10=28.51 avg60=6.37 avg300=1.38 total=5257662\n" +
    "full avg10=28.51 avg60=6.37 avg300=1.38 total=5256226\n";
  assert.equal(await readPressure(files({ "cpu.pressure": text })), 5.257662);
  assert.equal(await readPressure(files({ "cpu.pressure": "" })), undefined);
  assert.equal(await readPressure(files({})), undefined);
});
