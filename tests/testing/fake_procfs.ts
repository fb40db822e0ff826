/** A process of a fake procfs. */
export interface FakeProcess {
  pid: number;
  parentPid?: number;
  startTicks?: number;
  name?: string;
  state?: string;
  threads?: number;
  /** Its threads beside the first one. */
  threadIds?: number[];
  /** What it was started with. */
  args?: string[];
  /** The text of its `cgroup` file. */
  cgroup?: string;
}

/** The text of a process's `stat` file. */
export function statText(process: FakeProcess): string {
  const { pid, name = "sh", state = "S", parentPid = 1, threads = 1, startTicks = pid } = process;
  // Fields 5 to 19 of proc_pid_stat(5), which nobody reads here.
  const between = `${pid} ${pid} 0 -1 4194304 90 0 0 0 1 2 0 0 20 0`;
  return `${pid} (${name}) ${state} ${parentPid} ${between} ${threads} 0 ${startTicks} 2813952 94\n`;
}

/** A directory in the form of a procfs, for what this machine's kernel does not produce. */
export interface FakeProcfs extends Disposable {
  dir: string;
  /** Starts a process, or changes one. */
  put(process: FakeProcess): void;
  /** Ends a process. */
  remove(pid: number): void;
  /** Which id the kernel gave out last, and how many it has given out. */
  setCursor(lastPid: number, forks: number): void;
}

/** Makes a fake procfs with the given processes and an init. */
export function fakeProcfs(processes: readonly FakeProcess[] = []): FakeProcfs {
  const dir = Deno.makeTempDirSync({ prefix: "necoperf-proc-" });
  const fake: FakeProcfs = {
    dir,
    put(process) {
      const target = `${dir}/${process.pid}`;
      Deno.mkdirSync(target, { recursive: true });
      Deno.writeTextFileSync(`${target}/cgroup`, process.cgroup ?? "0::/init.scope\n");
      Deno.writeTextFileSync(`${target}/stat`, statText(process));
      const { args = ["sh"] } = process;
      Deno.writeTextFileSync(`${target}/cmdline`, args.map((arg) => `${arg}\0`).join(""));
      for (const id of [process.pid, ...process.threadIds ?? []]) {
        Deno.mkdirSync(`${target}/task/${id}`, { recursive: true });
      }
    },
    setCursor(lastPid, forks) {
      Deno.writeTextFileSync(`${dir}/loadavg`, `0.20 0.18 0.12 1/80 ${lastPid}\n`);
      Deno.writeTextFileSync(`${dir}/stat`, `cpu  1 2 3\nbtime 1795909724\nprocesses ${forks}\n`);
    },
    remove: (pid) => Deno.removeSync(`${dir}/${pid}`, { recursive: true }),
    [Symbol.dispose]: () => Deno.removeSync(dir, { recursive: true }),
  };
  Deno.mkdirSync(`${dir}/sys/kernel`, { recursive: true });
  Deno.writeTextFileSync(`${dir}/sys/kernel/pid_max`, "32768\n");
  fake.setCursor(1000, 5000);
  Deno.writeTextFileSync(`${dir}/version`, "Linux\n");
  Deno.symlinkSync(String(Deno.pid), `${dir}/self`);
  fake.put({ pid: 1, parentPid: 0, name: "systemd" });
  for (const process of processes) fake.put(process);
  return fake;
}
