/**
 * Root file systems for test containers, with programs of this machine.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";

/** A root file system without programs. */
export async function makeRoot(): Promise<string> {
  const root = await Deno.makeTempDir({ prefix: "necoperf-root-" });
  for (const name of ["app", "tmp", "proc", "sys", "dev", "etc"]) {
    await Deno.mkdir(join(root, name), { recursive: true });
  }
  await Deno.chmod(join(root, "tmp"), 0o1777);
  return root;
}

/** Copies a file of this machine to the same place. */
async function addFile(root: string, file: string): Promise<void> {
  const copy = join(root, file);
  await Deno.mkdir(join(copy, ".."), { recursive: true });
  await Deno.copyFile(Deno.realPathSync(file), copy);
}

/** Copies the libraries that a program is linked with, but for those that it has with it. */
export async function addLibraries(root: string, program: string): Promise<void> {
  for (const library of (await runToEnd("ldd", program)).match(/\/\S+/g) ?? []) {
    if (!library.startsWith(root)) await addFile(root, library);
  }
}

/** Copies a program of this machine, and its libraries. */
export async function addProgram(root: string, program: string): Promise<void> {
  await addFile(root, program);
  await addLibraries(root, program);
}

/** Runs a program to its end, which has to be a success, and returns what it printed. */
export async function runToEnd(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const decoder = new TextDecoder();
  assert(success, `${command} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}
