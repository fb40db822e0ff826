/**
 * Puts a program into few minified files, without what it does not use of its packages: it is
 * smaller by far, and starts without looking for hundreds of modules.
 *
 * @module
 */
import { builtinModules } from "node:module";
import { basename, join } from "node:path";
import { build, type Plugin, stop } from "esbuild";

const ROOT = join(import.meta.dirname!, "..");

/**
 * Where the modules go, two directories deep: packages look for their `.proto` files in
 * `../../proto` of their own.
 */
const MODULES = "build/src";

/** `.proto` files of packages, as below `proto` there. */
const PACKAGE_PROTOS = ["grpc-health-check/proto", "@grpc/reflection/build/proto"];

/** Gives modules of packages what Node.js gives them. */
const NODE_NAMES = "const __dirname=import.meta.dirname;";

/** A program in one directory. */
export interface Bundle {
  /** The module to run, relative to the directory. */
  main: string;
  /** What is read while it runs, too. */
  include: string[];
}

/**
 * Bundles the program whose first module is `main`, a path in this repository, into an empty
 * directory. What is imported when it is needed stays in files of its own, read when it is needed.
 * `files` are files and directories of this repository that the program looks for beside the module
 * that reads them.
 *
 * Rejects when a module is missing or is not understood; esbuild's words go to standard error.
 */
export async function bundle(main: string, files: string[], directory: string): Promise<Bundle> {
  const modules = join(directory, MODULES);
  await build({
    absWorkingDir: ROOT,
    entryPoints: [main],
    outdir: modules,
    bundle: true,
    splitting: true,
    minify: true,
    // Names are part of what is said of an error that nobody expected.
    keepNames: true,
    format: "esm",
    platform: "node",
    target: "es2023",
    plugins: [leanCommander, leanGrpc, importBuiltins],
    banner: { js: NODE_NAMES },
    // The licences of packages ask to be kept.
    legalComments: "eof",
    logLevel: "warning",
    // esbuild is a process of its own, which would wait for more.
  }).finally(stop);
  for (const path of files) await copy(join(ROOT, path), join(modules, basename(path)));
  for (const path of PACKAGE_PROTOS) {
    await copy(join(ROOT, "node_modules", path), join(directory, "proto"));
  }
  return {
    main: `${MODULES}/${basename(main).replace(/\.ts$/, ".js")}`,
    include: ["proto", ...files.map((path) => `${MODULES}/${basename(path)}`)],
  };
}

/** Copies a file, or what is in a directory. */
async function copy(from: string, to: string): Promise<void> {
  if ((await Deno.stat(from)).isFile) return await Deno.copyFile(from, to);
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) await copy(join(from, name), join(to, name));
}

/**
 * What commander gets in place of Node.js's modules. Those in `{}` it needs for subcommands that are
 * programs of their own, which there are none of.
 */
const COMMANDER_MODULES: Record<string, string> = {
  "node:child_process": "export default {};",
  "node:events": 'export { EventEmitter } from "events/";',
  "node:fs": "export default {};",
  "node:path": "export default {};",
  // For a terminal and an exit status, which are not left to it.
  "node:process": `export default new Proxy({}, { get: (_, name) => globalThis.process[name] });`,
  // Nothing that is not a control character needs to be taken out of a text without any.
  "node:util": `export const stripVTControlCharacters = (text) =>
    /[\\x1b\\x9b]/.test(text)
      ? globalThis.process.getBuiltinModule("node:util").stripVTControlCharacters(text)
      : text;`,
};

/** Keeps commander from loading what half of a program's start would be spent with. */
const leanCommander: Plugin = {
  name: "lean-commander",
  setup({ onResolve, onLoad }) {
    onResolve(
      { filter: /^node:/ },
      ({ path, importer }) =>
        /\/commander\//.test(importer) && Object.hasOwn(COMMANDER_MODULES, path)
          ? { path, namespace: "lean-commander" }
          : undefined,
    );
    onLoad({ filter: /.*/, namespace: "lean-commander" }, ({ path }) => ({
      contents: COMMANDER_MODULES[path],
      resolveDir: ROOT,
    }));
  },
};

/**
 * Leaves out of grpc-js what reads the definitions of services of its own, channelz and ORCA, which
 * neither program offers: it is the whole of protobufjs, twice the size of the rest.
 */
const leanGrpc: Plugin = {
  name: "lean-grpc",
  setup({ onResolve, onLoad }) {
    onResolve(
      { filter: /^@grpc\/proto-loader$/ },
      ({ path, importer }) =>
        /\/grpc-js\/.*\/(channelz|orca)\.js$/.test(importer)
          ? { path, namespace: "lean-grpc" }
          : undefined,
    );
    onLoad({ filter: /.*/, namespace: "lean-grpc" }, () => ({ contents: "" }));
  },
};

/**
 * Imports Node.js's modules where packages require them: `createRequire` and
 * `process.getBuiltinModule` load as much as a large one of them by themselves.
 */
const importBuiltins: Plugin = {
  name: "import-builtins",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind, namespace }) => {
      if (kind !== "require-call") return undefined;
      if (namespace === "required-builtin") return { path, namespace: "imported-builtin" };
      const name = path.replace(/^node:/, "");
      return builtinModules.includes(name)
        ? { path: name, namespace: "required-builtin" }
        : undefined;
    });
    // esbuild has no way to require what a module exports by default, but by two steps.
    onLoad({ filter: /.*/, namespace: "required-builtin" }, ({ path }) => ({
      contents: `module.exports = require("${path}").default;`,
    }));
    onLoad({ filter: /.*/, namespace: "imported-builtin" }, ({ path }) => ({
      contents: `export { default } from "node:${path}";`,
    }));
  },
};
