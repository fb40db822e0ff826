import { CliError, ExitStatus } from "../../errors.ts";
import { requireObjectName } from "../cluster/object_name.ts";
import { fullName, WORKLOAD_TYPES, type WorkloadType } from "../cluster/workload.ts";

/** A pod, or the workload whose pods are meant. */
export interface TargetName {
  /** Not there: a pod. */
  workload?: WorkloadType;
  /** Of the pod or the workload. */
  name: string;
}

/** A type of object with pods, or the pod's own. */
export type TargetType = Omit<WorkloadType, "selects">;

/** The pod's own. */
export const POD: TargetType = {
  resource: "pods",
  apiGroup: "",
  singular: "pod",
  shortNames: ["po"],
};

/** Finds the type that a word before a slash stands for. */
export function findTargetType(word: string): TargetType | undefined {
  return [POD, ...WORKLOAD_TYPES].find((type) => isCalled(type, word.toLowerCase()));
}

/**
 * Reads what kubectl takes where it takes pods: `NAME` for a pod, or `TYPE/NAME`, where the type is
 * in the singular or plural or short, with its API group or not, in any case.
 *
 * Throws a `CliError` (exit status 2) for another form, and for types whose pods are not known.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseTargetName } from "@necoperf/necoperf";
 *
 * assert.equal(parseTargetName("deploy/web").workload?.resource, "deployments");
 * assert.equal(parseTargetName("po/web-0").workload, undefined);
 * ```
 */
export function parseTargetName(text: string): TargetName {
  const [first, second, third] = text.split("/");
  if (third !== undefined) {
    throw usage(`'${text}' is not the name of a pod, nor TYPE/NAME: it has more than one slash`);
  }
  if (second === undefined) return { name: requireObjectName("a pod", first) };
  const type = first.toLowerCase();
  if (isCalled(POD, type)) return { name: requireObjectName("a pod", second) };
  const workload = WORKLOAD_TYPES.find((workload) => isCalled(workload, type));
  if (workload) return { workload, name: requireObjectName(`a ${workload.singular}`, second) };
  const types = [POD, ...WORKLOAD_TYPES].map(({ singular }) => singular).join(", ");
  throw usage(
    `cannot profile '${text}': the type must be one of ${types}; ` +
      "select the pods of other types by their labels, with -l",
  );
}

/** As a user would write it. */
export function formatTargetName({ workload, name }: TargetName): string {
  return `${workload ? fullName(workload) : "pod"}/${name}`;
}

function isCalled(
  { resource, apiGroup, singular, shortNames }: TargetType,
  type: string,
): boolean {
  const groups = apiGroup === "" ? [""] : ["", `.${apiGroup}`, `.v1.${apiGroup}`];
  return [resource, singular, ...shortNames].some((name) =>
    groups.some((group) => type === name + group)
  );
}

function usage(message: string): CliError {
  return new CliError(ExitStatus.USAGE, message);
}
