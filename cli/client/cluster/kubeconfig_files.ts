import { join, win32 } from "node:path";
import process from "node:process";
import { kubeconfigError } from "./kubeconfig_error.ts";

/** The parts of a machine that decide where kubeconfig files are. */
interface Machine {
  os: typeof Deno.build.os;
  /** A variable of the environment. */
  env(name: string): string | undefined;
  exists(path: string): boolean;
}

const THIS_MACHINE: Machine = {
  os: Deno.build.os,
  env: (name) => process.env[name],
  exists,
};

/**
 * Lists the kubeconfig files to read, as kubectl does: the one that was chosen, else those of
 * `KUBECONFIG` that exist, else `.kube/config` in the home directory. Empty: there is none.
 *
 * Throws a `CliError` (exit status 2) when the chosen file, or all files of `KUBECONFIG`, are
 * missing.
 */
export function findKubeconfigFiles(
  chosen: string | undefined,
  machine: Machine = THIS_MACHINE,
): string[] {
  if (chosen !== undefined) {
    if (!machine.exists(chosen)) throw kubeconfigError(chosen, "there is no such file");
    return [chosen];
  }
  const listed = machine.env("KUBECONFIG");
  if (listed) {
    const separator = machine.os === "windows" ? ";" : ":";
    const files = listed.split(separator).filter((file) => file);
    const present = files.filter(machine.exists);
    if (files.length > 0 && present.length === 0) {
      throw kubeconfigError(listed, "KUBECONFIG names no file that exists");
    }
    if (present.length > 0) return present;
  }
  return homeDirectories(machine)
    .map((home) => (machine.os === "windows" ? win32.join : join)(home, ".kube", "config"))
    .filter(machine.exists).slice(0, 1);
}

/**
 * The directories in which `.kube/config` is looked for: on Windows the first of those that has it
 * (`HomeDir` of `k8s.io/client-go/util/homedir`).
 */
function homeDirectories({ os, env }: Machine): string[] {
  if (os !== "windows") return [env("HOME")].filter((home) => !!home) as string[];
  const onDrive = env("HOMEDRIVE") && env("HOMEPATH")
    ? `${env("HOMEDRIVE")}${env("HOMEPATH")}`
    : undefined;
  return [env("HOME"), onDrive, env("USERPROFILE")].filter((home) => !!home) as string[];
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
