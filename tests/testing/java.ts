import { askProgram } from "./process.ts";

/** The first release of the JDK with `jcmd`'s `Compiler.perfmap`, which the tests of Java need. */
export const PERF_MAP_RELEASE = 17;

/** The release of the JDK that is installed, or 0; of two that are mixed, the older. */
export function javaRelease(): number {
  return Math.min(...["java", "javac"].map((name) => {
    // For example `openjdk 17.0.15 2025-04-15` and `javac 17.0.15`; before 9 there is no --version.
    const [, release] = /^\w+ (\d+)/.exec(askProgram(name, "--version") ?? "") ?? [];
    return Number(release ?? 0);
  }));
}
