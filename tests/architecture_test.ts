/**
 * Who may import whom: docs/architecture.md has the picture of these rules.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(import.meta.dirname!, "..");

/** A module imports another, or a package, also if only for its types or only when it is needed. */
interface Import {
  /** A path in this repository. */
  from: string;
  /** A path in this repository, or the specifier of a package or of a module of Node.js. */
  to: string;
}

/** As `deno info --json` prints it, as far as it is read here. */
interface ModuleGraph {
  modules: {
    specifier: string;
    error?: string;
    dependencies?: { specifier: string; code?: Target; type?: Target }[];
  }[];
}

interface Target {
  specifier?: string;
}

const imports = await readImports(["mod.ts", "cli/main.ts", "daemon/main.ts"]);

async function readImports(roots: string[]): Promise<Import[]> {
  const graphs = await Promise.all(roots.map(async (root) => {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", root],
      cwd: ROOT,
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout)) as ModuleGraph;
  }));
  const found = new Map<string, Import>();
  for (const { modules } of graphs) {
    for (const { specifier: from, error, dependencies = [] } of modules) {
      assert.equal(error, undefined);
      if (!from.startsWith("file:") || from.includes("/node_modules/")) continue;
      for (const { specifier, code, type } of dependencies) {
        const resolved = (code ?? type)?.specifier ?? specifier;
        const isOwn = resolved.startsWith("file:") && !resolved.includes("/node_modules/");
        const each = { from: toPath(from), to: isOwn ? toPath(resolved) : specifier };
        found.set(`${each.from} ${each.to}`, each);
      }
    }
  }
  return [...found.values()];
}

function toPath(url: string): string {
  return fileURLToPath(url).slice(ROOT.length + 1);
}

/** Fails with the names of both files of each import that is not allowed. */
function forbid(rule: string, isForbidden: (each: Import) => boolean): void {
  const broken = imports.filter(isForbidden).map(({ from, to }) => `${from} imports ${to}`);
  assert.deepEqual(broken, [], rule);
}

function isIn(path: string, ...rooms: string[]): boolean {
  return rooms.some((room) => path === room || path.startsWith(`${room}/`));
}

/** The first of some lists of rooms that a file is in, as a number; -1: in none. */
function floorOf(path: string, floors: string[][]): number {
  return floors.findIndex((rooms) => isIn(path, ...rooms));
}

/**
 * Whether an import leads up, or to another room of the same floor; files of one floor may meet.
 */
function leadsUp({ from, to }: Import, floors: string[][]): boolean {
  const [above, below] = [floorOf(from, floors), floorOf(to, floors)];
  if (above === -1 || below === -1) return false;
  const roomOf = (path: string) => floors[above].find((room) => isIn(path, room) && path !== room);
  return below < above || (below === above && roomOf(from) !== roomOf(to));
}

Deno.test("architecture: the graph holds both programs and the library", () => {
  const froms = new Set(imports.map(({ from }) => from));
  for (const path of ["mod.ts", "cli/main.ts", "daemon/main.ts", "daemon/perf/perf.ts"]) {
    assert.ok(froms.has(path), path);
  }
});

Deno.test("architecture: the client and the daemon never meet", () => {
  forbid(
    "cli/ and daemon/ share proto/ and nothing else",
    ({ from, to }) =>
      (isIn(from, "cli") && isIn(to, "daemon")) || (isIn(from, "daemon") && isIn(to, "cli")),
  );
});

/** From the top to the bottom. Rooms of one floor do not know each other. */
const DAEMON_FLOORS = [
  ["daemon/main.ts"],
  ["daemon/daemon.ts"],
  ["daemon/arguments.ts", "daemon/option_table.ts"],
  ["daemon/service"],
  ["daemon/recordings"],
  ["daemon/results", "daemon/access"],
  ["daemon/perf", "daemon/containers"],
  [
    "daemon/recording.ts",
    "daemon/process_usage.ts",
    "daemon/caller.ts",
    "daemon/status_error.ts",
    "daemon/quote.ts",
  ],
];

Deno.test("architecture: imports of the daemon lead down", () => {
  forbid(
    "main > daemon > arguments > service > recordings > results, access > perf, containers > types",
    (
      each,
    ) => leadsUp(each, DAEMON_FLOORS),
  );
});

Deno.test("architecture: the daemon's operations know no room that they watch", () => {
  forbid(
    "daemon/operations/ is given what it shows",
    ({ from, to }) =>
      isIn(from, "daemon/operations") && floorOf(to, DAEMON_FLOORS) >= 0 &&
      floorOf(to, DAEMON_FLOORS) < DAEMON_FLOORS.length - 1,
  );
});

Deno.test("architecture: only the daemon's service and its CRI client import gRPC", () => {
  forbid(
    "only daemon/service/ and daemon/containers/cri.ts know gRPC",
    ({ from, to }) =>
      isIn(from, "daemon") && !isIn(from, "daemon/service", "daemon/containers/cri.ts") &&
      (/^(@grpc\/|grpc-)/.test(to) || to === "proto/grpc.ts"),
  );
});

Deno.test("architecture: imports of the library lead down", () => {
  forbid("recording > targets > daemon > cluster", (each) =>
    leadsUp(each, [
      ["cli/client/recording"],
      ["cli/client/targets"],
      ["cli/client/daemon"],
      ["cli/client/cluster"],
    ]));
  forbid(
    "output knows no cluster and no daemon",
    ({ from, to }) =>
      isIn(from, "cli/client/output") &&
      isIn(
        to,
        ...["recording", "targets", "daemon", "cluster"].map((room) => `cli/client/${room}`),
      ),
  );
});

const PUBLISHED = [
  "cli/client",
  "cli/errors.ts",
  "cli/escape_controls.ts",
  "cli/formats",
  "cli/script",
  "proto",
];

Deno.test("architecture: the library needs no command line and no terminal", () => {
  forbid(
    "what mod.ts publishes imports nothing else of cli/",
    ({ from, to }) => isIn(from, ...PUBLISHED) && isIn(to, "cli") && !isIn(to, ...PUBLISHED),
  );
  forbid(
    "mod.ts publishes the library alone",
    ({ from, to }) => from === "mod.ts" && !isIn(to, ...PUBLISHED),
  );
  forbid(
    "formats and script know no cluster",
    ({ from, to }) => isIn(from, "cli/formats", "cli/script") && isIn(to, "cli/client"),
  );
});

/** What only some modules may use, by what stands in their text. */
const EDGES: { use: RegExp; what: string; allowed: string[] }[] = [
  {
    what: "starts a program",
    use: /\bDeno\.Command\b|node:child_process/,
    allowed: ["daemon/perf"],
  },
  {
    what: "reads a procfs",
    // Its own descriptors and the kernel's release are of no other process.
    use: /\/(?:stat|status|(?<!host\/)cgroup|task|cmdline|maps|mountinfo|ns|children)[`"]/,
    allowed: ["daemon/containers/procfs.ts"],
  },
  {
    what: "speaks to the API server",
    use: /KUBERNETES_SERVICE_HOST|\/apis\/|node:https|\bfetch\(["`]http/,
    allowed: ["daemon/access"],
  },
];

for (const { what, use, allowed } of EDGES) {
  Deno.test(`architecture: in the daemon only ${allowed.join(", ")} ${what}`, async () => {
    const paths = new Set(imports.map(({ from }) => from).filter((path) => isIn(path, "daemon")));
    const users: string[] = [];
    for (const path of paths) {
      const text = await Deno.readTextFile(join(ROOT, path));
      if (use.test(withoutComments(text))) users.push(path);
    }
    assert.deepEqual(users.filter((path) => !isIn(path, ...allowed)), []);
    assert.notEqual(users.length, 0, `nothing ${what}: the pattern is out of date`);
  });
}

function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
}

Deno.test("architecture: no module imports itself by way of others", () => {
  const next = new Map<string, string[]>();
  for (const { from, to } of imports) next.set(from, [...next.get(from) ?? [], to]);
  const finished = new Set<string>();
  const walk = (path: string, way: string[]): void => {
    const start = way.indexOf(path);
    if (start !== -1) assert.fail([...way.slice(start), path].join(" imports "));
    if (finished.has(path)) return;
    for (const to of next.get(path) ?? []) walk(to, [...way, path]);
    finished.add(path);
  };
  for (const path of next.keys()) walk(path, []);
});
