/**
 * What the documents say of flags, commands, links, metrics, messages and exit statuses, against
 * the code.
 */
import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import { parseArguments as parseClient } from "../../cli/arguments/arguments.ts";
import { ExitStatus } from "../../cli/errors.ts";
import { parseArguments as parseDaemon } from "../../daemon/arguments.ts";
import { ROOT } from "../testing/cluster.ts";

interface Page {
  /** From the project's directory. */
  path: string;
  text: string;
}

const PAGES = [...readPages(
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "deploy/README.md",
  ...markdownIn("docs"),
)];
/**
 * Those that people have written: `docs/reference` is made by `deno task gen`, which has a check.
 */
const WRITTEN = PAGES.filter(({ path }) => !path.startsWith("docs/reference/"));

function* markdownIn(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(ROOT, directory))) {
    const path = `${directory}/${name}`;
    if (isDirectory) yield* markdownIn(path);
    else if (name.endsWith(".md")) yield path;
  }
}

function* readPages(...paths: string[]): Generator<Page> {
  for (const path of paths) yield { path, text: Deno.readTextFileSync(join(ROOT, path)) };
}

function pageOf(path: string): string {
  return PAGES.find((page) => page.path === path)!.text;
}

/** What stands in backquotes within a line. */
function spans(text: string): string[] {
  const prose = text.replaceAll(/^ *```.*?^ *```/gms, "");
  return [...prose.matchAll(/`([^`]+)`/g)].map(([, code]) => code.replaceAll(/\s+/g, " "));
}

/** The lines of code blocks, those that end with a backslash joined with the next. */
function codeLines(text: string): string[] {
  const fenced = [...text.matchAll(/^ *```.*?\n(.*?)^ *```/gms)].map(([, code]) => code);
  const indented = text.replaceAll(/^ *```.*?^ *```/gms, "").match(/^ {4,}\S.*$/gm) ?? [];
  return [...fenced, ...indented].join("\n").replaceAll("\\\n", " ").split("\n")
    .map((line) => line.trim());
}

/**
 * The words of a shell command up to a pipe or the like, with something in the placeholders' place.
 */
function words(command: string): string[] {
  return command.replace(/\s(\||>|&&|&|#|…).*$/, "")
    .replaceAll(/<[a-z ]+>|\$\w+|\b[A-Z][A-Z_]+\b/g, "x").split(/\s+/);
}

function flagsOf(command: string): string[] {
  return command.match(/(?<![\w-])--[a-z][a-z0-9-]*/g) ?? [];
}

const FLAGS = {
  client: new Set(flagsOf(pageOf("docs/reference/necoperf-client.md"))),
  daemon: new Set(flagsOf(pageOf("docs/reference/necoperf-daemon.md"))),
};

/** Whose flags a page's are when no program is named with them. */
function programsOf({ path }: Page): (keyof typeof FLAGS)[] {
  if (path === "docs/tenants.md" || path.startsWith("docs/languages/")) return ["client"];
  return ["client", "daemon"];
}

for (const page of WRITTEN) {
  Deno.test(`${page.path}: the flags it names exist`, () => {
    const known = programsOf(page).flatMap((program) => [...FLAGS[program]]);
    // What begins with a program's name has that program's flags: the next test's, or nobody's
    // here.
    const bare = spans(page.text).filter((code) => code.startsWith("-"));
    const unknown = bare.flatMap(flagsOf).filter((flag) =>
      !known.includes(flag) && !isPermission(flag)
    );
    assert.deepEqual(unknown, [], "write `program --flag` for those of other programs");
  });

  Deno.test(`${page.path}: its commands are understood`, () => {
    for (const command of [...spans(page.text), ...codeLines(page.text)]) {
      const [, program, rest] = /(?:^|^.*\| )necoperf-(client|daemon)(?: (.*))?$/.exec(command) ??
        [];
      if (program === undefined || rest === undefined) continue;
      const parse = program === "client" ? parseClient : parseDaemon;
      assert.doesNotThrow(() => parse(words(rest), "0"), command);
    }
  });
}

/** Deno's own, which `deploy/README.md` tells of. */
function isPermission(flag: string): boolean {
  return /^--allow-(read|write|net|env|run|sys)$/.test(flag);
}

for (const page of PAGES) {
  Deno.test(`${page.path}: its links lead somewhere`, () => {
    for (const [, target] of page.text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file, anchor] = target.split("#");
      const path = file === "" ? page.path : join(dirname(page.path), file);
      const status = Deno.statSync(join(ROOT, path));
      if (anchor === undefined) continue;
      assert(status.isFile && anchors(path).includes(anchor), `${target} has no such heading`);
    }
  });
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(path: string): string[] {
  const text = Deno.readTextFileSync(join(ROOT, path)).replaceAll(/^```.*?^```/gms, "");
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
  );
}

Deno.test("documents: each is in the index of its directory, or of docs/", () => {
  const indexes = PAGES.filter(({ path }) => /^docs\/(.*\/)?README\.md$/.test(path));
  for (const { path } of PAGES) {
    if (!path.startsWith("docs/") || path === "docs/README.md") continue;
    const isLinked = indexes.some((index) =>
      index.path !== path && index.text.includes(`](${relative(dirname(index.path), path)})`)
    );
    assert(isLinked, `no README.md of docs/ links to ${path}`);
  }
});

Deno.test("documents: the metrics are those that the daemon has", () => {
  const source = Deno.readTextFileSync(join(ROOT, "daemon/operations/metrics.ts"));
  const metric = /\b(?:necoperf_[a-z_]+|process_resident_memory_bytes)\b/g;
  const there = new Set(source.match(metric));
  const told = new Set(pageOf("docs/administrators.md").match(metric));
  assert.deepEqual([...told].sort(), [...there].sort());
});

Deno.test("documents: the table of exit statuses is the program's", () => {
  const [, section] = /^## Exit status$(.*?)^## /ms.exec(pageOf("docs/tenants.md"))!;
  const told = [...section.matchAll(/^\| (\d+) /gm)].map(([, status]) => Number(status));
  assert.deepEqual(told, Object.values(ExitStatus).sort((a, b) => a - b));
});

Deno.test("documents: the kinds of warnings are the client's", () => {
  const [, type] = /kind:\s*((?:\| "[\w ]+"\s*)+);/.exec(
    Deno.readTextFileSync(join(ROOT, "cli/analysis/advice.ts")),
  )!;
  const [, told] = /^The kinds are (.*?)\.$/ms.exec(pageOf("docs/reference/json.md"))!;
  const kinds = (text: string, quote: string) =>
    text.split(quote).filter((_, index) => index % 2 === 1);
  assert.deepEqual(kinds(told, "`"), kinds(type, '"'));
});

Deno.test("documents: the messages that are explained are the programs'", () => {
  const [, section] = /^## What the messages mean$(.*)/ms.exec(pageOf("docs/tenants.md"))!;
  const told = [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, message]) => message);
  assert(told.length > 10, "the table was not found");
  const source = [...sourcesIn("cli"), ...sourcesIn("daemon")].join("\n")
    // A message may be put together of several lines.
    .replaceAll(/["`] \+\n\s*["`]/g, "");
  for (const message of told) assert(source.includes(message), `nobody says: ${message}`);
});

function* sourcesIn(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(ROOT, directory))) {
    if (isDirectory) yield* sourcesIn(join(directory, name));
    else if (name.endsWith(".ts")) yield Deno.readTextFileSync(join(ROOT, directory, name));
  }
}
