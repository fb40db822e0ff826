/** What a running process takes of the machine. */
export interface Resources {
  rssBytes: number;
  fds: number;
  threads: number;
}

/** Looks at a process. Rejects when it is not there. */
export async function resourcesOf(pid: number): Promise<Resources> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)![1]);
  return {
    rssBytes: number("VmRSS") * 1024,
    fds: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
    threads: number("Threads"),
  };
}

/** The largest resident memory that a process has had. */
export async function peakBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)![1]) * 1024;
}

/** How much the files of a directory hold. */
export function bytesOfFiles(directory: string): number {
  let bytes = 0;
  for (const { name } of Deno.readDirSync(directory)) {
    try {
      bytes += Deno.statSync(`${directory}/${name}`).size;
    } catch (error) {
      // Removed meanwhile.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return bytes;
}
