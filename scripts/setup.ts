/**
 * Makes sure, before the demo or the tests start, that the programs are there which they use:
 *
 *     deno run -A scripts/setup.ts demo|test|languages|images...
 *
 * What is missing is installed with apt-get. Without root or apt-get it says in one line
 * what to install, and exits with 1.
 *
 * @module
 */

import { findChromium } from "./find_chromium.ts";
import { GO_PROGRAMS } from "./go_programs.ts";

/** Something that is needed, and the packages that bring it. */
interface Requirement {
  name: string;
  /** Says whether it is there: a shell command that succeeds then, or a function. */
  test: string | (() => Promise<boolean>);
  packages: string[];
  /** Instead of packages: the module and version of a program that Go builds. */
  goModule?: string;
}

// Not just found on the PATH: Ubuntu's `perf` is a script that looks for one that fits the kernel.
const PERF = { name: "perf", test: "perf --version", packages: perfPackages() };

const REQUIREMENTS: Record<string, Requirement[]> = {
  demo: [PERF],
  test: [
    PERF,
    { name: "gcc", test: "command -v gcc", packages: ["gcc"] },
    { name: "libc6-dev", test: "test -e /usr/include/stdlib.h", packages: ["libc6-dev"] },
    { name: "containerd", test: "command -v containerd", packages: ["containerd"] },
    { name: "runc", test: "command -v runc", packages: ["runc"] },
    // Alone in an image, so that it may need no library: ldd fails then.
    {
      name: "busybox (static)",
      test: 'busybox true && ! ldd "$(command -v busybox)"',
      packages: ["busybox-static"],
    },
    { name: "openssl", test: "command -v openssl", packages: ["openssl"] },
    { name: "pgrep", test: "command -v pgrep", packages: ["procps"] },
    // Without a screen: a third of what all of Chromium takes.
    {
      name: "Chromium",
      test: async () => await findChromium() !== undefined,
      packages: ["chromium-headless-shell"],
    },
    // For `go tool pprof`, and a program to profile.
    { name: "go", test: "go version", packages: ["golang-go"] },
    { name: "zsh", test: "command -v zsh", packages: ["zsh"] },
    { name: "fish", test: "command -v fish", packages: ["fish"] },
    // A terminal for shells.
    { name: "time", test: "test -x /usr/bin/time", packages: ["time"] },
    { name: "script", test: "command -v script", packages: ["bsdutils"] },
    { name: "setcap", test: "command -v setcap", packages: ["libcap2-bin"] },
    {
      name: "libfaketime",
      test: "ls /usr/lib/*/faketime/libfaketime.so.1",
      packages: ["libfaketime"],
    },
  ],
  // For tests that are ignored without them.
  languages: [
    { name: "g++", test: "command -v g++", packages: ["g++"] },
    // Run, and not only found: a version manager's file on the PATH may have no program to start.
    { name: "rustc", test: "rustc --version", packages: ["rustc"] },
    {
      name: "Java",
      test: "javac --version && jlink --version",
      packages: ["default-jdk-headless"],
    },
    { name: "python3", test: "test -x /usr/bin/python3", packages: ["python3"] },
  ],
  // What .ci/images builds with.
  images: [
    { name: "buildah", test: "command -v buildah", packages: ["buildah"] },
    { name: "debootstrap", test: "command -v debootstrap", packages: ["debootstrap"] },
  ],
  // Credential plug-ins of providers, for tests that are ignored without them.
  plugins: [{
    name: "aws-iam-authenticator",
    test: `test -x '${GO_PROGRAMS}/aws-iam-authenticator'`,
    packages: [],
    goModule: "sigs.k8s.io/aws-iam-authenticator/cmd/aws-iam-authenticator@v0.6.13",
  }],
};

/** A file with which Debian is told that packages may not start services when installed. */
const SERVICE_POLICY = "/usr/sbin/policy-rc.d";

async function main(): Promise<void> {
  if (Deno.args.length === 0 || !Deno.args.every((name) => Object.hasOwn(REQUIREMENTS, name))) {
    console.error("usage: deno run -A scripts/setup.ts demo|test|languages|images|plugins...");
    Deno.exit(2);
  }
  const requirements = Deno.args.flatMap((name) => REQUIREMENTS[name]);
  let missing = await findMissing(requirements);
  const wanted = missing.flatMap(({ packages }) => packages);
  if (wanted.length > 0 && Deno.uid() === 0 && await succeeds("command -v apt-get")) {
    await install(wanted);
  }
  for (const { goModule } of missing) if (goModule) await goInstall(goModule);
  missing = await findMissing(missing);
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).join(", ");
  const packages = missing.flatMap(({ packages, goModule }) => goModule ?? packages).join(" ");
  console.error(`Missing: ${names}. Install it first; on this kind of system: ${packages}`);
  Deno.exit(1);
}

function perfPackages(): string[] {
  try {
    if (/^ID="?ubuntu"?$/m.test(Deno.readTextFileSync("/etc/os-release"))) {
      return ["linux-tools-generic", `linux-tools-${Deno.osRelease()}`];
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return ["linux-perf"];
}

async function findMissing(requirements: Requirement[]): Promise<Requirement[]> {
  const present = await Promise.all(
    requirements.map(({ test }) => typeof test === "string" ? succeeds(test) : test()),
  );
  return requirements.filter((_, index) => !present[index]);
}

async function succeeds(command: string): Promise<boolean> {
  const shell = new Deno.Command("sh", {
    args: ["-c", command],
    // Not every user has the administrator's programs on the PATH.
    env: { PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin` },
    stdout: "null",
    stderr: "null",
  });
  return (await shell.output()).success;
}

async function install(packages: string[]): Promise<void> {
  console.error(`Installing ${packages.join(" ")}`);
  const allowServices = await forbidServices();
  try {
    await aptGet("update");
    const installed = await aptGet("install", ...packages);
    // One at a time then: not every release has all the packages that may bring perf.
    if (!installed) { for (const name of packages) await aptGet("install", name); }
  } finally {
    await allowServices();
  }
}

/** Has Go build a program; without its registry of modules there is none. */
async function goInstall(goModule: string): Promise<void> {
  console.error(`Building ${goModule}`);
  const env = { GOBIN: GO_PROGRAMS, GOTOOLCHAIN: "local", CGO_ENABLED: "0" };
  const { success, stderr } = await new Deno.Command("go", { args: ["install", goModule], env })
    .output();
  if (!success) console.error(`go install ${goModule}: ${new TextDecoder().decode(stderr)}`);
}

/** Keeps containerd's package from starting one for the system. Returns what undoes that. */
async function forbidServices(): Promise<() => Promise<void>> {
  try {
    const script = "#!/bin/sh\nexit 101\n";
    await Deno.writeTextFile(SERVICE_POLICY, script, { createNew: true, mode: 0o755 });
    return () => Deno.remove(SERVICE_POLICY);
  } catch (error) {
    // The machine has a policy of its own.
    if (error instanceof Deno.errors.AlreadyExists) return () => Promise.resolve();
    throw error;
  }
}

async function aptGet(command: string, ...packages: string[]): Promise<boolean> {
  const args = ["-qq", "-o", "DPkg::Lock::Timeout=300", command];
  if (command === "install") args.push("--yes", "--no-install-recommends", ...packages);
  const { success, stderr } = await new Deno.Command("apt-get", {
    args,
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) console.error(`apt-get ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return success;
}

await main();
