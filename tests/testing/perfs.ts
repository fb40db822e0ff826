import { askProgram } from "./process.ts";

/** A perf that can be started. */
export interface Perf {
  /** As `perf --version` says it. */
  version: string;
  /** The words before perf's own. */
  command: string[];
}

/**
 * The perfs of this machine: the installed one, and those of other releases of Debian that are
 * unpacked in the directories of `NECOPERF_TEST_PERFS`, with colons between them. These run with
 * the C library that is unpacked beside them.
 */
export function findPerfs(): Perf[] {
  const directories = (Deno.env.get("NECOPERF_TEST_PERFS") ?? "").split(":").filter((path) => path);
  const commands = [
    ["perf"],
    ...directories.map((root) => [
      ...[`${root}/usr/lib64/ld-linux-x86-64.so.2`, "--library-path"],
      ...[`${root}/usr/lib/x86_64-linux-gnu`, `${root}/usr/bin/perf`],
    ]),
  ];
  return commands.flatMap(([program, ...args]) => {
    const version = askProgram(program, ...args, "--version");
    return version === undefined ? [] : [{ version, command: [program, ...args] }];
  });
}
