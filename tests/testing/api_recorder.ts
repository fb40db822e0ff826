/**
 * What clients of the API server ask it, seen from between them.
 *
 * @module
 */
import type { Tenant } from "./tenant.ts";

/** A way to the API server on which requests are noted down. */
interface ApiRecorder extends AsyncDisposable {
  /** A kubeconfig file of that way, with the tenant's rights. */
  kubeconfig: string;
  /** The URLs of all requests so far; may be emptied. */
  requests: URL[];
}

/**
 * Opens a way to the API server for a tenant: plain HTTP on this machine, with the tenant's token.
 */
export async function startApiRecorder(tenant: Tenant): Promise<ApiRecorder> {
  const config = JSON.parse(await Deno.readTextFile(tenant.kubeconfig));
  const [{ cluster }] = config.clusters;
  const [{ user }] = config.users;
  const { server: upstream } = cluster;
  const caCerts = [atob(cluster["certificate-authority-data"])];
  const client = Deno.createHttpClient({ caCerts });
  const requests: URL[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname, search } = new URL(request.url);
    const url = new URL(pathname + search, upstream);
    requests.push(url);
    const headers = new Headers(request.headers);
    headers.delete("host");
    // kubectl sends no token over plain HTTP.
    headers.set("authorization", `Bearer ${user.token}`);
    const { method, body } = request;
    return fetch(url, { method, headers, body, client });
  });
  cluster.server = `http://127.0.0.1:${server.addr.port}`;
  delete cluster["certificate-authority-data"];
  const kubeconfig = await Deno.makeTempFile({ prefix: "necoperf-kubeconfig-" });
  await Deno.writeTextFile(kubeconfig, JSON.stringify(config));
  return {
    kubeconfig,
    requests,
    async [Symbol.asyncDispose]() {
      await Deno.remove(kubeconfig);
      await server.shutdown();
      client.close();
    },
  };
}
