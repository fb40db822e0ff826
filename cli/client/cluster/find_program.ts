import { posix, win32 } from "node:path";
import process from "node:process";

/** The parts of a machine that decide where programs are. */
interface Machine {
  os: typeof Deno.build.os;
  /** A variable of the environment. */
  env(name: string): string | undefined;
  /** The current directory. */
  cwd(): string;
  /** Whether there is a file that can be run. */
  isProgram(path: string): Promise<boolean>;
}

const THIS_MACHINE: Machine = {
  os: Deno.build.os,
  env: (name) => process.env[name],
  cwd: () => Deno.cwd(),
  isProgram,
};

/**
 * Finds a credential plug-in as kubectl does, by Go's `exec.LookPath`: a name in the directories of
 * `PATH`, a path from `directory`, where the kubeconfig is. On Windows a file has one of the
 * endings of `PATHEXT`: `az` is `az.cmd` there, and the `az` beside it is a script for another
 * shell. A name is never looked for in the current directory. Undefined: there is none.
 */
export async function findProgram(
  command: string,
  directory: string,
  machine: Machine = THIS_MACHINE,
): Promise<string | undefined> {
  const { join, isAbsolute, resolve } = machine.os === "windows" ? win32 : posix;
  const places = isPath(command, machine)
    ? [resolve(machine.cwd(), directory, command)]
    : searchPath(machine).filter((each) => isAbsolute(each)).map((each) => join(each, command));
  for (const place of places) {
    for (const ending of endingsFor(place, machine)) {
      if (await machine.isProgram(place + ending)) return place + ending;
    }
  }
}

function isPath(command: string, { os }: Machine): boolean {
  return os === "windows" ? /[:\\/]/.test(command) : command.includes("/");
}

function searchPath({ os, env }: Machine): string[] {
  const path = env("PATH") ?? "";
  if (os !== "windows") return path.split(":");
  // A directory may be in quotes there.
  return (path.match(/(?:"[^"]*"|[^;"])+/g) ?? []).map((each) => each.replaceAll('"', ""));
}

function endingsFor(place: string, { os, env }: Machine): string[] {
  if (os !== "windows") return [""];
  const endings = (env("PATHEXT") || ".COM;.EXE;.BAT;.CMD").split(";").filter((each) => each);
  return win32.extname(place) === "" ? endings : ["", ...endings];
}

async function isProgram(path: string): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile && (mode === null || Deno.build.os === "windows" || (mode & 0o111) !== 0);
  } catch {
    return false;
  }
}
