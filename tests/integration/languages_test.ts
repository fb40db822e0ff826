/**
 * What `docs/languages` says, tried: the programs of the pages, built by what is installed here, in
 * real containers of a real containerd. A language that is not installed is left out.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { profile } from "../../cli/client/recording/profile.ts";
import { openTarget } from "../../cli/client/targets/target.ts";
import type { RecordOptions } from "../../cli/client/recording/record_options.ts";
import { startContainerd, type TestContainer, type TestContainerd } from "../testing/containerd.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { addLibraries, addProgram, makeRoot, runToEnd } from "../testing/image_root.ts";
import { askProgram, eventually } from "../testing/process.ts";
import { javaRelease, PERF_MAP_RELEASE } from "../testing/java.ts";

const PAGES = join(import.meta.dirname!, "../../docs/languages");
const IMAGE = "necoperf-test/languages:1";
const DWARF: RecordOptions = { callGraph: { method: "dwarf" } };

/** The program on a language's page. */
function sourceOn(page: string, language: string): string {
  const text = Deno.readTextFileSync(join(PAGES, page));
  return new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "ms").exec(text)![1];
}

/** Prints where the interpreter and its library are. */
const PYTHON_PLACES = "import os, sys; print(os.path.realpath(sys.executable), " +
  "os.path.dirname(os.__file__), sep='\\n')";

// The program itself where there is one to copy: on the PATH may be a version manager's file.
const INSTALLED = {
  go: askProgram("go", "version"),
  cpp: askProgram("g++", "--version"),
  rust: askProgram("rustc", "--version"),
  node: askProgram("node", "-p", "fs.realpathSync(process.execPath)"),
  java: askProgram("jlink", "--version") && javaRelease() >= PERF_MAP_RELEASE,
  // The system's, whose libraries are where an image can have them, too.
  python: askProgram("/usr/bin/python3", "-c", PYTHON_PLACES)?.split("\n"),
};

/** Builds all programs into `/app` of a root file system. */
async function build(root: string): Promise<void> {
  const sources = await Deno.makeTempDir({ prefix: "necoperf-sources-" });
  const write = async (name: string, page: string, language: string) => {
    const path = join(sources, name);
    await Deno.writeTextFile(path, sourceOn(page, language));
    return path;
  };
  const app = (name: string) => join(root, "app", name);
  try {
    if (INSTALLED.go) {
      const source = await write("busy.go", "go.md", "go");
      const env = { CGO_ENABLED: "0" };
      const args = ["build", "-o", app("go"), source];
      assert((await new Deno.Command("go", { args, env }).output()).success, "go build");
    }
    if (INSTALLED.cpp) {
      const source = await write("busy.cpp", "cpp.md", "cpp");
      await runToEnd("g++", "-O2", "-o", app("cpp"), source);
      await runToEnd("g++", "-O2", "-fno-omit-frame-pointer", "-o", app("cpp-fp"), source);
      for (const name of ["cpp", "cpp-fp"]) await addLibraries(root, app(name));
    }
    if (INSTALLED.rust) {
      const source = await write("busy.rs", "rust.md", "rust");
      await runToEnd("rustc", "-O", "-o", app("rust"), source);
      await runToEnd("rustc", "-O", "-C", "force-frame-pointers=yes", "-o", app("rust-fp"), source);
      for (const name of ["rust", "rust-fp"]) await addLibraries(root, app(name));
    }
    if (INSTALLED.node) {
      await Deno.copyFile(await write("busy.js", "nodejs.md", "js"), app("busy.js"));
      await addProgram(root, INSTALLED.node);
    }
    if (INSTALLED.java) {
      const source = await write("Busy.java", "java.md", "java");
      await runToEnd("javac", "--release", `${PERF_MAP_RELEASE}`, "-d", app(""), source);
      const modules = "java.base,jdk.jcmd,jdk.attach";
      await runToEnd("jlink", "--add-modules", modules, "--output", join(root, "java"));
      await addLibraries(root, join(root, "java/bin/java"));
      await addLibraries(root, join(root, "java/lib/server/libjvm.so"));
      await addLibraries(root, join(root, "java/lib/libjimage.so"));
    }
    if (INSTALLED.python) {
      await Deno.copyFile(await write("busy.py", "python.md", "python"), app("busy.py"));
      const [program, library] = INSTALLED.python;
      await addProgram(root, program);
      await runToEnd("cp", "--recursive", "--parents", library, root);
    }
  } finally {
    await Deno.remove(sources, { recursive: true });
  }
}

let containerd: TestContainerd;
let daemon: TestDaemon;

Deno.test.beforeAll(async () => {
  const root = await makeRoot();
  try {
    await build(root);
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

/** Starts a container as a user other than root. */
function start(...command: string[]): Promise<TestContainer> {
  return containerd.run({ image: IMAGE, user: 65534, command });
}

/** Records a container, and returns the stacks in the folded form. */
async function fold({ id }: TestContainer, recordOptions: RecordOptions = {}): Promise<string> {
  const outputDirectory = await Deno.makeTempDir({ prefix: "necoperf-folded-" });
  try {
    const target = await openTarget({ daemonAddress: daemon.address, containerId: id });
    const { path } = await profile({
      ...{ target, outputDirectory, convertTo: "folded", durationSeconds: 2 },
      recordOptions: { frequencyHz: 499, ...recordOptions },
    });
    return await Deno.readTextFile(path!);
  } finally {
    await Deno.remove(outputDirectory, { recursive: true });
  }
}

/** A test of one program, which runs until it is over. */
function languageTest(
  name: string,
  isInstalled: unknown,
  command: string[],
  check: (container: TestContainer) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: !isInstalled,
    async fn() {
      const container = await start(...command);
      try {
        await check(container);
      } finally {
        await containerd.stopContainer(container.id);
      }
    },
  });
}

languageTest("Go needs nothing", INSTALLED.go, ["/app/go"], async (container) => {
  assert.match(await fold(container), /runtime\.main;main\.main;main\.handle;main\.mix \d/);
});

languageTest("C++ as it is: dwarf", INSTALLED.cpp, ["/app/cpp"], async (container) => {
  assert.match(await fold(container), /^cpp;mix \d/m);
  const stacks = await fold(container, DWARF);
  for (const caller of ["render", "parse"]) {
    assert.match(stacks, new RegExp(`_start;.*main;handle;${caller};mix \\d`));
  }
});

languageTest("C++ with frame pointers", INSTALLED.cpp, ["/app/cpp-fp"], async (container) => {
  assert.match(await fold(container), /main;handle;mix \d/);
});

/** How a name is mangled, and whether perf knows that, changes with their releases. */
function rustStack(caller: string): RegExp {
  const frames = ["main", "handle", caller, "mix"].map((name) => `[^;\\n]*${name}[^;\\n]*`);
  return new RegExp(`${frames.join(";")} \\d`);
}

languageTest("Rust as it is: dwarf", INSTALLED.rust, ["/app/rust"], async (container) => {
  const stacks = await fold(container, DWARF);
  for (const caller of ["render", "parse"]) assert.match(stacks, rustStack(caller));
});

languageTest("Rust with frame pointers", INSTALLED.rust, ["/app/rust-fp"], async (container) => {
  assert.match(await fold(container), rustStack("render"));
});

const NODE = ["--perf-basic-prof", "--no-logfile-per-isolate", "--logfile=/dev/null"];

languageTest(
  "Node.js with its functions' names",
  INSTALLED.node,
  [`${INSTALLED.node}`, ...NODE, "/app/busy.js"],
  async (container) => {
    // Which functions are inlined into which, and whether into Node's own, is V8's to say.
    const named = /JS:\S+ (?:\/app\/busy\.js|node:\S+):\d/;
    await eventually(async () => assert.match(await fold(container), named), 60);
  },
);

languageTest(
  "Node.js without names",
  INSTALLED.node,
  [`${INSTALLED.node}`, "/app/busy.js"],
  async (container) => {
    const stacks = await fold(container);
    assert.doesNotMatch(stacks, /JS:/);
    assert.match(stacks, /\[perf-\d+\.map\]/);
  },
);

const JAVA = ["/java/bin/java", "-XX:+PreserveFramePointer", "-cp", "/app"];

languageTest(
  "Java with its functions' names, which it writes on request",
  INSTALLED.java,
  [...JAVA, "-XX:CompileCommand=quiet", "-XX:CompileCommand=dontinline,Busy.*", "Busy"],
  async (container) => {
    await eventually(async () => {
      await containerd.execute(container.id, ["/java/bin/jcmd", "1", "Compiler.perfmap"]);
      const stacks = await fold(container);
      for (const caller of ["render", "parse"]) {
        const chain = [`Busy.main`, "Busy.handle", `Busy.${caller}`, "Busy.mix"];
        assert.match(stacks, new RegExp(chain.map((name) => `\\w+ ${name}\\([^;]*\\)`).join(";")));
      }
    }, 60);
  },
);

languageTest(
  "Python is seen as its interpreter",
  INSTALLED.python,
  [`${INSTALLED.python?.[0]}`, "/app/busy.py"],
  async (container) => {
    assert.match(await fold(container, DWARF), /;_?Py[A-Z]\w+/);
  },
);
