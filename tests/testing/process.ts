/** A program that runs until the test ends. */
export interface Running extends AsyncDisposable {
  pid: number;
  kill(signal: Deno.Signal): void;
  status: Promise<Deno.CommandStatus>;
}

/** Starts a program for the time of a test: `await using target = run(path)`. */
export function run(command: string, ...args: string[]): Running {
  const process = new Deno.Command(command, { args, stdin: "null", stdout: "null" }).spawn();
  return {
    pid: process.pid,
    kill: (signal) => process.kill(signal),
    status: process.status,
    async [Symbol.asyncDispose]() {
      try {
        process.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await process.status;
    },
  };
}

/**
 * What a program prints, without the space around it, or undefined when it is not installed. A
 * version manager's file on the `PATH` that has no version to start is not a program, either.
 */
export function askProgram(name: string, ...args: string[]): string | undefined {
  try {
    const command = new Deno.Command(name, { args, stdin: "null", stderr: "null" });
    const { success, stdout } = command.outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Starts a shell that is busy for a tenth of the time: enough to be sampled, and many fit here. */
export function runLight(): Running {
  const busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
  return run("sh", "-c", `while :; do ${busy}; sleep 0.2; done`);
}

/** The processes of this machine whose command line begins with these words. */
export async function findProcesses(...words: string[]): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // A process that ends meanwhile is none to find.
    const text = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    const args = text.split("\0");
    if (words.every((word, index) => args[index] === word)) found.push(Number(name));
  }
  return found;
}

/** The command lines of the processes in a mount namespace, as `/proc/PID/ns/mnt` names it. */
export async function processesIn(mountNamespace: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // A process that ends meanwhile is none to find.
    const namespace = await Deno.readLink(`/proc/${name}/ns/mnt`).catch(() => "");
    if (namespace !== mountNamespace) continue;
    const text = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (text !== "") found.push(text.replaceAll("\0", " ").trim());
  }
  return found;
}

/** Tries again, ten times a second, until it works; rejects with its failure at the deadline. */
export async function eventually<T>(attempt: () => Promise<T> | T, seconds = 20): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
