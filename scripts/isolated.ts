/**
 * Runs Deno with an environment that does not depend on whose machine it is, for the tests:
 *
 *     deno run -A scripts/isolated.ts [--keep=NAME] test -A tests/cli
 *
 * A developer's locale, proxies, kubeconfig, or file mode mask changes what programs print and
 * which servers they ask. Kept is what says where programs and caches are, what configures Deno
 * itself, and what chooses how the tests run.
 *
 * @module
 */

/** Variables that are kept. */
const KEPT = [
  ...["PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TERM", "NO_COLOR", "CI", "XDG_CACHE_HOME"],
  // Certificates of proxies that read TLS on the way to the package registries.
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"],
  ...["GOROOT", "GOPATH", "GOCACHE", "GOTOOLCHAIN", "JAVA_HOME", "RUSTUP_HOME", "CARGO_HOME"],
];

/**
 * Prefixes of variables that are kept: Deno's, the tests' own, and version managers' directories.
 */
const KEPT_PREFIXES = [
  ...["DENO", "NECOPERF_", "TESTBED_", "FUZZ_", "SOAK_"],
  ...["ASDF_", "MISE_", "PYENV_", "NVM_"],
];

/**
 * How many files of tests run at once with `--parallel`, unless `DENO_JOBS` says: more than there
 * are processors, for many wait for the programs that they start, and never so many that these are
 * in each other's way.
 */
const JOBS = Math.min(4, navigator.hardwareConcurrency + 1);

/** The mode mask of files that the tests make: others read them, such as users of containers. */
const UMASK = 0o022;

/**
 * A directory for temporary files that the tests work in: shells' scripts have it unquoted, and the
 * path of a unix socket below it may have 107 bytes.
 */
const TEMPORARY = /^[\w./-]{1,50}$/;

function environment(alsoKept: string[]): Record<string, string> {
  const kept = Object.entries(Deno.env.toObject()).filter(([name]) =>
    KEPT.includes(name) || alsoKept.includes(name) ||
    KEPT_PREFIXES.some((prefix) => name.startsWith(prefix))
  );
  const env: Record<string, string> = {
    DENO_JOBS: `${JOBS}`,
    ...Object.fromEntries(kept),
    LANG: "C.UTF-8",
  };
  if (env.TMPDIR !== undefined && !TEMPORARY.test(env.TMPDIR)) {
    console.error(`The tests use /tmp instead of TMPDIR=${env.TMPDIR}: it is too long or too odd.`);
    delete env.TMPDIR;
  }
  return env;
}

async function main(): Promise<void> {
  const args = Deno.args.filter((arg) => !arg.startsWith("--keep="));
  const alsoKept = Deno.args.filter((arg) => arg.startsWith("--keep=")).map((arg) => arg.slice(7));
  Deno.umask(UMASK);
  const child = new Deno.Command(Deno.execPath(), {
    args,
    clearEnv: true,
    env: environment(alsoKept),
  }).spawn();
  // A terminal sends SIGINT to the child as well; signals for this process alone are passed on.
  Deno.addSignalListener("SIGINT", () => {});
  Deno.addSignalListener("SIGTERM", () => child.kill("SIGTERM"));
  const { code } = await child.status;
  Deno.exit(code);
}

await main();
