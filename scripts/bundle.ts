/**
 * Puts a program into few minified files, without what it does not use of its packages: it is
 * smaller by far, and starts without looking for hundreds of modules.
 *
 * @module
 */
import { basename, join } from "node:path";
import { build, stop } from "esbuild";

const ROOT = join(import.meta.dirname!, "..");

/**
 * Where the modules go, two directories deep: packages look for their `.proto` files in
 * `../../proto` of their own.
 */
const MODULES = "build/src";

/** `.proto` files of packages, as below `proto` there. */
const PACKAGE_PROTOS = ["grpc-health-check/proto", "@grpc/reflection/build/proto"];

/**
 * Gives modules of packages what Node.js gives them. All that is left to require is modules of
 * Node.js, and packages that are optional; `createRequire` would load most of Node.js at each
 * start.
 */
const NODE_NAMES = `
const require = (name) => {
  const found = process.getBuiltinModule(name);
  if (found === undefined) throw new Error("Cannot find module '" + name + "'");
  return found;
};
const __dirname = import.meta.dirname;`;

/** A program in one directory. */
export interface Bundle {
  /** The module to run, relative to the directory. */
  main: string;
  /** Also includes what the program reads while it runs. */
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
