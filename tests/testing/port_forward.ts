import { eventually } from "./process.ts";

/** A port of this machine that leads to one of a pod, through the API server. */
interface PortForward extends AsyncDisposable {
  port: number;
}

/** Starts `kubectl port-forward`, and resolves when the port is open. */
export async function startPortForward(
  namespace: string,
  target: string,
  targetPort: number,
): Promise<PortForward> {
  const port = freePort();
  const process = new Deno.Command("kubectl", {
    args: ["port-forward", `--namespace=${namespace}`, target, `${port}:${targetPort}`],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  const forward: PortForward = {
    port,
    async [Symbol.asyncDispose]() {
      process.kill("SIGTERM");
      await process.status;
    },
  };
  try {
    await eventually(async () => (await Deno.connect({ hostname: "127.0.0.1", port })).close());
  } catch (error) {
    await forward[Symbol.asyncDispose]();
    throw error;
  }
  return forward;
}

/** A port on which nobody listens. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
