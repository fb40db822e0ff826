/**
 * An API server as far as the daemon asks it who may profile what, over real HTTPS. It stands in
 * for the real one where a test has to take rights away at a moment of its choice, without a
 * cluster: `tests/e2e/auth_api_test.ts` has the real one.
 *
 * @module
 */
import { createAuthority } from "./certificates.ts";

/** A pod that the API server lists. */
export interface ListedPod {
  namespace: string;
  name: string;
  uid: string;
  containers: { id: string; name: string }[];
}

/** What there is, and who may do what. A test changes it at will. */
export interface AccessRules {
  /** The users of tokens; others are not accepted. */
  tokens: Map<string, string>;
  /** As `<user> may create <resource> in <namespace>`. */
  rights: Set<string>;
  pods: ListedPod[];
}

/** The running stand-in. */
export interface AccessApi extends AsyncDisposable {
  /** `https://localhost:<port>`. */
  server: string;
  /** Holds the daemon's token and the authority, as in a pod. */
  serviceAccountDir: string;
}

/** Starts the stand-in. */
export async function startAccessApi(rules: AccessRules): Promise<AccessApi> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-access-api-" });
  const authority = await createAuthority(directory, "ca");
  const { cert, key } = await authority.issue("localhost");
  await Deno.writeTextFile(`${directory}/token`, "the-daemons-token");
  const decoder = new TextDecoder();
  const server = Deno.serve({
    ...{ hostname: "127.0.0.1", port: 0, cert: decoder.decode(cert), key: decoder.decode(key) },
    onListen: () => {},
    async handler(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/api/v1/pods") return Response.json({ items: rules.pods.map(toApiPod) });
      const { spec } = await request.json();
      return Response.json({ status: review(rules, pathname, spec) });
    },
  });
  return {
    server: `https://localhost:${server.addr.port}`,
    serviceAccountDir: directory,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

interface ReviewSpec {
  token?: string;
  audiences?: string[];
  user?: string;
  resourceAttributes?: { resource: string; subresource?: string; namespace: string };
}

function review({ tokens, rights }: AccessRules, path: string, spec: ReviewSpec): object {
  if (path.endsWith("/tokenreviews")) {
    const username = tokens.get(spec.token!);
    const { audiences } = spec;
    return username ? { authenticated: true, audiences, user: { username } } : {};
  }
  const { resource, subresource, namespace } = spec.resourceAttributes!;
  const what = subresource ? `${resource}/${subresource}` : resource;
  return { allowed: rights.has(`${spec.user} may create ${what} in ${namespace}`) };
}

function toApiPod({ namespace, name, uid, containers }: ListedPod): object {
  return {
    metadata: { namespace, name, uid },
    status: {
      containerStatuses: containers.map(({ id, name }) => ({
        ...{ name, containerID: `containerd://${id}` },
      })),
    },
  };
}
