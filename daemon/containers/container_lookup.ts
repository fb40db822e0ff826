import { createCgroupLookup } from "./cgroup_lookup.ts";
import type { ContainerLookup } from "./container.ts";
import { connectCri } from "./cri.ts";
import { createCriLookup } from "./cri_lookup.ts";
import { LOOKUP_NAMES, type LookupName } from "./lookup_names.ts";
import { openProcfs } from "./procfs.ts";
import { createProcessLookup } from "./process_lookup.ts";

/** How to find containers on this node. */
interface ContainerLookupOptions {
  /** Which way: by the processes' cgroups, through the runtime's socket, or by process id. */
  by: LookupName;
  /** Where the host's procfs is mounted. `pid` does without when it is not given. */
  procDir?: string;
  /** The runtime's socket as `unix:///path`, for `cri`. */
  runtimeEndpoint?: string;
  /** How often to look for processes that entered a container; a second unless told. */
  pollIntervalMs?: number;
}

/** A container lookup that may hold a connection. */
export interface OpenContainerLookup extends ContainerLookup {
  /** Gives back what it holds. */
  close(): void;
}

/**
 * Makes a container lookup by its name. Throws a `RangeError` that names the option when one that
 * the lookup needs is missing or of another form; only `check` finds out whether it works.
 *
 * ```ts
 * const lookup = createContainerLookup({ by: "cgroup", procDir: "/host/proc" });
 * lookup.close();
 * ```
 */
export function createContainerLookup(options: ContainerLookupOptions): OpenContainerLookup {
  const { by, pollIntervalMs } = options;
  switch (by) {
    case "cgroup": {
      const procfs = openProcfs(required(options, "procDir"));
      return { ...createCgroupLookup({ procfs, pollIntervalMs }), close: () => {} };
    }
    case "cri": {
      const procfs = openProcfs(required(options, "procDir"));
      const cri = connectCri(required(options, "runtimeEndpoint"));
      return { ...createCriLookup({ cri, procfs, pollIntervalMs }), close: () => cri.close() };
    }
    case "pid": {
      const procfs = options.procDir === undefined ? undefined : openProcfs(options.procDir);
      return { ...createProcessLookup({ procfs }), close: () => {} };
    }
    default:
      throw new RangeError(`'by' must be one of ${LOOKUP_NAMES.join(", ")}, not ${by}`);
  }
}

function required(options: ContainerLookupOptions, name: "procDir" | "runtimeEndpoint"): string {
  const value = options[name];
  if (!value) {
    throw new RangeError(`'${name}' must be given to look containers up by ${options.by}`);
  }
  return value;
}
