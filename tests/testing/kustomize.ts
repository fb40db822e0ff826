/**
 * What kustomizations make, by the kustomize that is in kubectl.
 *
 * @module
 */
import { join } from "node:path";
import { loadAll } from "js-yaml";
import { type KubernetesObject, ROOT, runKubectl, TESTBED } from "./cluster.ts";

/**
 * Kubectl before this minor version of 1 has a kustomize that takes no directories as resources.
 */
const OLDEST_MINOR = 21;

/**
 * A kubectl that takes the kustomizations of `deploy/`: the one on the PATH or, where that is too
 * old or there is none, a newer one that the test cluster's tools unpack. Undefined where neither
 * is.
 */
export function findKustomizeKubectl(): Promise<string | undefined> {
  return findKubectl(OLDEST_MINOR);
}

/**
 * A kubectl of at least that minor version of 1: the one on the PATH or, where that is too old or
 * there is none, Debian 13's, which the test cluster's tools unpack. Undefined where neither is.
 */
export async function findKubectl(oldestMinor: number): Promise<string | undefined> {
  if (await isNewEnough("kubectl", oldestMinor)) return "kubectl";
  const unpack = join(TESTBED, "unpack-debian");
  if (!exists(unpack)) return undefined;
  // Where tools keep what they can get again.
  const directory = join(ROOT, "node_modules/.cache/kubectl");
  const kubectl = join(directory, "usr/bin/kubectl");
  if (exists(kubectl)) return kubectl;
  const { success, stderr } = await new Deno.Command(unpack, {
    args: [directory, "trixie", "kubectl"],
    stdin: "null",
  }).output();
  if (!success) throw new Error(`${unpack}: ${new TextDecoder().decode(stderr)}`);
  return kubectl;
}

/** The path of a program, for tests that have a PATH of their own. */
export async function fullPath(program: string): Promise<string> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", `command -v '${program}'`] })
    .output();
  return new TextDecoder().decode(stdout).trim();
}

async function isNewEnough(kubectl: string, oldestMinor: number): Promise<boolean> {
  try {
    const { stdout } = await runKubectl(["version", "--client", "--output=json"], { kubectl });
    const { major, minor } = JSON.parse(stdout).clientVersion;
    // Some builds have a sign behind the number, as in `32+`.
    return Number(major) > 1 || parseInt(minor) >= oldestMinor;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The objects of a kustomization's directory. Rejects with kubectl's words, warnings included. */
export async function kustomize(directory: string): Promise<KubernetesObject[]> {
  return loadAll(await kustomizeText(directory)) as KubernetesObject[];
}

/** As {@linkcode kustomize}, as YAML. */
export async function kustomizeText(directory: string): Promise<string> {
  const kubectl = await needKubectl();
  return quiet(await runKubectl(["kustomize", directory], { kubectl }), directory);
}

/** Makes the objects of a kustomization's directory. A warning is a failure, too. */
export async function applyKustomization(directory: string, ...args: string[]): Promise<void> {
  const kubectl = await needKubectl();
  quiet(await runKubectl(["apply", ...args, "--kustomize", directory], { kubectl }), directory);
}

async function needKubectl(): Promise<string> {
  const kubectl = await findKustomizeKubectl();
  if (!kubectl) throw new Error(`needs kubectl 1.${OLDEST_MINOR} or newer on the PATH`);
  return kubectl;
}

function quiet(
  { success, stdout, stderr }: { success: boolean; stdout: string; stderr: string },
  directory: string,
): string {
  if (!success || stderr !== "") throw new Error(`the kustomization ${directory}: ${stderr}`);
  return stdout;
}
