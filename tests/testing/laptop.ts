import { kubectl } from "./cluster.ts";

/** A network of its own, from which nothing of a cluster can be reached but the API server. */
export interface Laptop extends AsyncDisposable {
  /** Put before a command line. */
  wrapper: string[];
  /** This machine's address on the way there. */
  gateway: string;
}

/** Link-local: nothing else has them. Each process its own. */
const NETWORK = `169.254.${1 + Deno.pid % 254}`;
const ADDRESSES = { machine: `${NETWORK}.1`, laptop: `${NETWORK}.2` };

/**
 * Makes a network namespace with a route to the API server's address and to this machine. Needs
 * root.
 */
export async function createLaptop(): Promise<Laptop> {
  const name = `necoperf-${Deno.pid}`;
  const [near, far] = [`npl${Deno.pid}a`, `npl${Deno.pid}b`];
  const ip = (...args: string[]) => run("ip", ...args);
  const laptop: Laptop = {
    wrapper: ["ip", "netns", "exec", name],
    gateway: ADDRESSES.machine,
    async [Symbol.asyncDispose]() {
      // The link goes with it.
      await ip("netns", "delete", name);
    },
  };
  await ip("netns", "add", name);
  try {
    await ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name);
    await ip("address", "add", `${ADDRESSES.machine}/30`, "dev", near);
    await ip("link", "set", near, "up");
    const inside = (...args: string[]) => ip("-netns", name, ...args);
    await inside("address", "add", `${ADDRESSES.laptop}/30`, "dev", far);
    await inside("link", "set", far, "up");
    await inside("link", "set", "lo", "up");
    const { hostname } = new URL(await apiServer());
    await inside("route", "add", `${hostname}/32`, "via", ADDRESSES.machine);
  } catch (error) {
    await laptop[Symbol.asyncDispose]();
    throw error;
  }
  return laptop;
}

/** The URL of the cluster's API server. */
export function apiServer(): Promise<string> {
  return kubectl([
    ...["config", "view", "--minify", "--output=jsonpath={.clusters[0].cluster.server}"],
  ]);
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, stdin: "null" }).output();
  if (success) return;
  throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
