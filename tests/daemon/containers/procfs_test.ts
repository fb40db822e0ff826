import assert from "node:assert/strict";
import { openProcfs, readEach } from "../../../daemon/containers/procfs.ts";
import { StatusError } from "../../../daemon/status_error.ts";
import { fakeProcfs } from "../../testing/fake_procfs.ts";

function unavailable(pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof StatusError);
    assert.equal(error.status, "UNAVAILABLE");
    assert.match(error.message, pattern);
    return true;
  };
}

Deno.test("openProcfs: pids lists processes alone, ascending", async () => {
  using fake = fakeProcfs([{ pid: 100 }, { pid: 20 }, { pid: 3 }]);
  assert.deepEqual(await openProcfs(fake.dir).pids(), [1, 3, 20, 100]);
});

Deno.test("openProcfs: cgroup and stat of a process that has ended are undefined", async () => {
  using fake = fakeProcfs();
  const procfs = openProcfs(fake.dir);
  assert.equal(await procfs.cgroup(4711), undefined);
  assert.equal(await procfs.stat(4711), undefined);
});

Deno.test("openProcfs: a process that ends between opening and reading is undefined", async () => {
  // The kernel answers ESRCH then. To come in time between the two, the test does both itself.
  const readTextFile = Deno.readTextFile;
  const child = new Deno.Command("sleep", { args: ["1000"] }).spawn();
  const opened = await Deno.open(`/proc/${child.pid}/cgroup`);
  child.kill("SIGKILL");
  await child.status;
  Deno.readTextFile = async () => {
    await opened.read(new Uint8Array(100));
    throw new Error("read a process that has ended");
  };
  try {
    assert.equal(await openProcfs("/proc").cgroup(child.pid), undefined);
  } finally {
    Deno.readTextFile = readTextFile;
    opened.close();
  }
});

Deno.test("openProcfs: a directory that is not there is said with the flag that names it", async () => {
  const procfs = openProcfs("/nonexistent/proc");
  await assert.rejects(procfs.pids(), unavailable(/\/nonexistent\/proc.*--proc-dir/));
  await assert.rejects(procfs.check(), unavailable(/\/nonexistent\/proc.*--proc-dir/));
});

Deno.test("openProcfs: check takes the real procfs", async () => {
  await openProcfs("/proc").check();
});

Deno.test("openProcfs: check refuses an empty directory", async () => {
  const dir = Deno.makeTempDirSync();
  try {
    await assert.rejects(openProcfs(dir).check(), unavailable(/shows no process/));
  } finally {
    Deno.removeSync(dir);
  }
});

Deno.test("openProcfs: check refuses a procfs of another PID namespace", async () => {
  using fake = fakeProcfs();
  Deno.removeSync(`${fake.dir}/self`);
  await assert.rejects(
    openProcfs(fake.dir).check(),
    unavailable(/does not show the daemon.*hostPID/),
  );
  Deno.symlinkSync(String(Deno.pid + 1), `${fake.dir}/self`);
  await assert.rejects(openProcfs(fake.dir).check(), unavailable(/PID namespace.*hostPID: true/));
});

Deno.test("openProcfs: check refuses a procfs that hides other users' processes", async () => {
  using fake = fakeProcfs([{ pid: 50 }]);
  fake.remove(1);
  await assert.rejects(openProcfs(fake.dir).check(), unavailable(/hidepid/));
});

Deno.test("readEach: reads all, some at a time, and leaves out what is gone", async () => {
  const pids = Array.from({ length: 1000 }, (_, index) => index + 1);
  let [now, most] = [0, 0];
  const found = await readEach(pids, async (pid) => {
    most = Math.max(most, ++now);
    await Promise.resolve();
    now--;
    return pid % 2 ? pid : undefined;
  });
  assert.deepEqual([...found.keys()].length, 500);
  assert.ok(most > 1 && most <= 16, `${most} at once`);
});

Deno.test("readEach: rejects when one read fails", async () => {
  await assert.rejects(readEach([1, 2], () => Promise.reject(new Error("no"))), /no/);
});

Deno.test("program: is the first argument without directories, however many there are", async () => {
  const long = "x".repeat(1 << 20);
  using fake = fakeProcfs([
    { pid: 50, args: ["/usr/bin/web", "--flag"] },
    { pid: 51, args: ["web"] },
    { pid: 52, args: [] },
    { pid: 53, args: ["/bin/web", long] },
    { pid: 54, args: [long] },
  ]);
  const procfs = openProcfs(fake.dir);
  const programs = await Promise.all([50, 51, 52, 53, 55].map((pid) => procfs.program(pid)));
  assert.deepEqual(programs, ["web", "web", undefined, "web", undefined]);
  assert.ok((await procfs.program(54))!.length <= 4096);
});
