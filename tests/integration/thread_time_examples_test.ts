/**
 * What `docs/thread-time.md` says, tried: its programs, built by what is installed here, recorded
 * in real containers. A language that is not installed is left out.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { hottestFunctions } from "../../cli/analysis/hottest.ts";
import { findThreadTime } from "../../cli/analysis/thread_time.ts";
import { profile } from "../../cli/client/recording/profile.ts";
import type { RecordOptions } from "../../cli/client/recording/record_options.ts";
import { openTarget } from "../../cli/client/targets/target.ts";
import type { StackProfile } from "../../cli/script/stack_profile.ts";
import type { TimeKind } from "../../cli/script/time_events.ts";
import { timeKind } from "../../cli/script/time_kind.ts";
import { startContainerd, type TestContainer, type TestContainerd } from "../testing/containerd.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { addLibraries, addProgram, makeRoot, runToEnd } from "../testing/image_root.ts";
import { javaRelease, PERF_MAP_RELEASE } from "../testing/java.ts";
import { askProgram, eventually } from "../testing/process.ts";

const EXAMPLES = join(import.meta.dirname!, "../../docs/examples/thread-time");
const IMAGE = "necoperf-test/thread-time:1";
const DWARF: RecordOptions = { callGraph: { method: "dwarf" } };

/** Prints where the interpreter and its library are. */
const PYTHON_PLACES = "import os, sys; print(os.path.realpath(sys.executable), " +
  "os.path.dirname(os.__file__), sep='\\n')";

const INSTALLED = {
  go: askProgram("go", "version"),
  node: askProgram("node", "-p", "fs.realpathSync(process.execPath)"),
  java: askProgram("jlink", "--version") && javaRelease() >= PERF_MAP_RELEASE,
  python: askProgram("/usr/bin/python3", "-c", PYTHON_PLACES)?.split("\n"),
  nginx: askProgram("sh", "-c", "PATH=$PATH:/usr/sbin command -v nginx"),
};

/** Puts all programs into `/app` of a root file system. */
async function build(root: string, nginxPort: number): Promise<void> {
  const app = (name: string) => join(root, "app", name);
  const source = (name: string) => join(EXAMPLES, name);
  if (INSTALLED.go) {
    const args = ["build", "-o", app("database"), source("database.go")];
    const env = { CGO_ENABLED: "0" };
    assert((await new Deno.Command("go", { args, env }).output()).success, "go build");
  }
  if (INSTALLED.node) {
    await Deno.copyFile(source("blocked_loop.js"), app("blocked_loop.js"));
    await addProgram(root, INSTALLED.node);
  }
  if (INSTALLED.java) {
    await runToEnd("javac", "--release", `${PERF_MAP_RELEASE}`, "-d", app(""), source("Pool.java"));
    const modules = "java.base,jdk.jcmd,jdk.attach";
    await runToEnd("jlink", "--add-modules", modules, "--output", join(root, "java"));
    for (const file of ["bin/java", "lib/server/libjvm.so", "lib/libjimage.so", "lib/libnio.so"]) {
      await addLibraries(root, join(root, "java", file));
    }
  }
  if (INSTALLED.python) {
    await Deno.copyFile(source("gil.py"), app("gil.py"));
    const [program, library] = INSTALLED.python;
    await addProgram(root, program);
    await runToEnd("cp", "--recursive", "--parents", library, root);
  }
  if (INSTALLED.nginx) {
    const configuration = await Deno.readTextFile(source("limit.conf"));
    await Deno.writeTextFile(app("limit.conf"), configuration.replace(":8080", `:${nginxPort}`));
    await Deno.mkdir(app("www"));
    const numbers = Array.from({ length: 40_000 }, (_, number) => number * number % 99_991);
    await Deno.writeTextFile(app("www/text"), numbers.join(" "));
    await addProgram(root, INSTALLED.nginx);
  }
}

let containerd: TestContainerd;
let daemon: TestDaemon;
let nginxPort: number;

Deno.test.beforeAll(async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  nginxPort = listener.addr.port;
  listener.close();
  const root = await makeRoot();
  try {
    await build(root, nginxPort);
    containerd = await startContainerd();
    await containerd.importImage(root, IMAGE);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
  daemon = await startDaemon({ args: ["--container-lookup", "cgroup"] });
});

Deno.test.afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await containerd?.[Symbol.asyncDispose]();
});

/** Records all of the time of a container's threads. */
async function record(
  { id }: TestContainer,
  recordOptions: RecordOptions = {},
): Promise<StackProfile> {
  const outputDirectory = await Deno.makeTempDir({ prefix: "necoperf-thread-time-" });
  try {
    const target = await openTarget({ daemonAddress: daemon.address, containerId: id });
    const { stacks } = await profile({
      ...{ target, outputDirectory, durationSeconds: 4, countStacks: true },
      recordOptions: { threadTime: "all", ...recordOptions },
    });
    return stacks!;
  } finally {
    await Deno.remove(outputDirectory, { recursive: true });
  }
}

/** Seconds of the stacks that are wanted, by what their threads did. */
function secondsOf(
  { events, frames }: StackProfile,
  isWanted: (command: string, functions: string[]) => boolean,
): Record<TimeKind, number> {
  const seconds = { running: 0, blocked: 0, waiting: 0 };
  for (const { event, stacks } of events) {
    for (const { command, frames: ids, weight } of stacks) {
      const functions = Array.from(ids, (id) => frames[id].symbol);
      if (isWanted(command, functions)) seconds[timeKind(event)!] += weight / 1e9;
    }
  }
  return seconds;
}

/** A test of one program, which runs until it is over. */
function exampleTest(
  name: string,
  isInstalled: unknown,
  options: { command: string[]; cpuQuotaMicroseconds?: number },
  check: (container: TestContainer) => Promise<void>,
): void {
  Deno.test({
    name: `thread-time.md: ${name}`,
    ignore: !isInstalled,
    async fn() {
      const container = await containerd.run({ image: IMAGE, user: 65534, ...options });
      try {
        await check(container);
      } finally {
        await containerd.stopContainer(container.id);
      }
    },
  });
}

exampleTest(
  "a Go service shows what it writes, and not what it asks over the network",
  INSTALLED.go,
  { command: ["/app/database"] },
  async (container) => {
    const stacks = await record(container);
    const time = findThreadTime(stacks)!;
    const parked = time.parkedSeconds! / (time.blockedSeconds + time.runningSeconds!);
    assert(parked > 0.4, `${parked} of the time without a goroutine`);
    // On a busy machine it waits for a processor for longer than for the disk.
    const hottest = hottestFunctions(stacks, 10).map(({ symbol }) => symbol);
    assert(hottest.includes("syscall.Fsync"), hottest.join());
    const sync = secondsOf(stacks, (_, functions) => functions.includes("main.appendToJournal"));
    assert(sync.blocked > 0, "it never waits for the disk");
    // Go 1.19's scheduler is called by what ran last on the thread (newer ones' by nobody).
    const query = secondsOf(
      stacks,
      (_, functions) => functions.includes("main.query") && !functions.includes("runtime.mcall"),
    );
    assert(query.blocked < 0.05 * time.blockedSeconds, `${query.blocked} s in query`);
  },
);

exampleTest(
  "in a Java pool that starves no thread waits for work, and those that need it wait for the pool",
  INSTALLED.java,
  { command: ["/java/bin/java", "-XX:+PreserveFramePointer", "-cp", "/app", "Pool"] },
  async (container) => {
    await eventually(async () => {
      await containerd.execute(container.id, ["/java/bin/jcmd", "1", "Compiler.perfmap"]);
    });
    const stacks = await record(container, DWARF);
    /** What part of the time in which threads are blocked they are so in a function. */
    const share = (command: RegExp, name: RegExp) => {
      const wait = (isIn: (functions: string[]) => boolean) =>
        secondsOf(stacks, (of, functions) => command.test(of) && isIn(functions)).blocked;
      return wait((functions) => functions.some((one) => name.test(one))) / wait(() => true);
    };
    // Not all of it: nobody saw where threads had blocked before.
    const reads = share(/^pool-1-thread/, /SocketDispatcher_read0/);
    assert(reads > 0.8, `${reads} of what the pool's threads wait for`);
    const parked = share(/^request-/, /Parker::park/);
    assert(parked > 0.8, `${parked} of what requests wait for`);
  },
);

exampleTest(
  "behind Python's GIL four threads run as long as one",
  INSTALLED.python,
  { command: [INSTALLED.python?.[0] ?? "", "/app/gil.py"] },
  async (container) => {
    const stacks = await record(container);
    const { threads, longestSeconds, runningSeconds, blockedSeconds } = findThreadTime(stacks)!;
    assert.equal(threads, 5);
    assert(runningSeconds! < 1.1 * longestSeconds, `${runningSeconds} s of ${longestSeconds} s`);
    // The first thread waits for the others to end.
    assert(blockedSeconds > 1.5 * longestSeconds, `${blockedSeconds} s of ${longestSeconds} s`);
  },
);

exampleTest(
  "where Node.js hashes on its event loop, the loop's thread never waits for requests",
  INSTALLED.node,
  {
    command: [
      ...[INSTALLED.node ?? "", "--perf-basic-prof", "--interpreted-frames-native-stack"],
      "/app/blocked_loop.js",
    ],
  },
  async (container) => {
    const stacks = await record(container);
    const { longestSeconds } = findThreadTime(stacks)!;
    const { running, waiting, blocked } = secondsOf(
      stacks,
      (_, functions) => functions.some((one) => one.includes("hashPassword")),
    );
    assert(running + waiting > 0.7 * longestSeconds, `${running + waiting} s of hashing`);
    assert(blocked < 0.1 * longestSeconds, `${blocked} s blocked in it`);
  },
);

exampleTest(
  "nginx at its CPU limit waits for a processor most of the time",
  INSTALLED.nginx,
  {
    command: [INSTALLED.nginx ?? "", "-c", "/app/limit.conf", "-p", "/tmp"],
    cpuQuotaMicroseconds: 20_000,
  },
  async (container) => {
    const ends = new AbortController();
    const ask = async () => {
      const headers = { "accept-encoding": "gzip" };
      const answer = await fetch(`http://127.0.0.1:${nginxPort}/text`, {
        ...{ headers, signal: ends.signal },
      });
      await answer.arrayBuffer();
    };
    await eventually(ask);
    const clients = Array.from({ length: 4 }, async () => {
      while (!ends.signal.aborted) await ask().catch(() => {});
    });
    try {
      const stacks = await record(container);
      const { longestSeconds, runningSeconds, waitingSeconds } = findThreadTime(stacks)!;
      assert(waitingSeconds! > 0.5 * longestSeconds, `${waitingSeconds} s of ${longestSeconds} s`);
      assert(runningSeconds! < 0.3 * longestSeconds, `${runningSeconds} s of ${longestSeconds} s`);
    } finally {
      ends.abort();
      await Promise.all(clients);
    }
  },
);
