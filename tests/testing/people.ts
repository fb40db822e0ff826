/**
 * People who use the cluster, each in another way that the API server knows: none of them is a
 * service account of the namespace that they work in.
 *
 * @module
 */
import { dirname } from "node:path";
import { issueCertificate, type TestCertificate } from "./certificates.ts";
import { apply, createNamespace, deleteNamespaces, kubectl } from "./cluster.ts";

/** A person, and how they call the API server. */
export interface Person {
  kubeconfig: string;
  /** What RBAC knows them by. */
  subject: Record<string, string>;
  /** What their kubeconfig file takes beside the environment: where its plug-in is. */
  env: Record<string, string>;
}

/** Ways in which people show the API server who they are. */
export const PERSON_KINDS = ["certificate", "token", "exec plug-in", "impersonation"] as const;

/** A way in which people show the API server who they are. */
export type PersonKind = typeof PERSON_KINDS[number];

/** People; their namespace and files are deleted at the end. */
export interface People extends AsyncDisposable {
  /** Makes one, with a name of their own. */
  create(kind: PersonKind): Promise<Person>;
}

const RBAC_GROUP = "rbac.authorization.k8s.io";

/**
 * Looks for what it takes to make people; rejects where the cluster's authority is not to be had.
 */
export async function findPeople(): Promise<People> {
  const config = JSON.parse(await kubectl(["config", "view", "--raw", "--minify", "-o", "json"]));
  const [{ cluster }] = config.clusters;
  const certFile = cluster["certificate-authority"];
  const authority = { certFile, keyFile: `${dirname(certFile ?? "")}/ca.key` };
  const namespace = await createNamespace("people");
  const directory = await Deno.makeTempDir({ prefix: "necoperf-people-" });
  let count = 0;

  const write = async (name: string, user: unknown): Promise<string> => {
    const file = `${directory}/${name}.kubeconfig`;
    const text = JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "test", cluster }],
      users: [{ name, user }],
      contexts: [{ name: "test", context: { cluster: "test", user: name } }],
      "current-context": "test",
    });
    await Deno.writeTextFile(file, text, { mode: 0o600 });
    return file;
  };
  const certificateOf = (name: string): Promise<TestCertificate> =>
    issueCertificate(authority, directory, name, { subject: `/O=team-${name}/CN=${name}` });
  const makers: Record<PersonKind, (name: string) => Promise<Person>> = {
    async certificate(name) {
      const { certFile, keyFile } = await certificateOf(name);
      const user = { "client-certificate": certFile, "client-key": keyFile };
      const subject = { kind: "Group", apiGroup: RBAC_GROUP, name: `team-${name}` };
      return { kubeconfig: await write(name, user), subject, env: {} };
    },
    // This cluster has no other issuer of tokens than for service accounts: one of elsewhere.
    async token(name) {
      const metadata = { name, namespace };
      await apply({ apiVersion: "v1", kind: "ServiceAccount", metadata });
      const token = await kubectl([
        "create",
        `--raw=/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
        "--filename=-",
      ], JSON.stringify({ apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest" }));
      const user = { token: JSON.parse(token).status.token };
      const subject = { kind: "ServiceAccount", name, namespace };
      return { kubeconfig: await write(name, user), subject, env: {} };
    },
    async "exec plug-in"(name) {
      const { cert, key } = await certificateOf(name);
      const decoder = new TextDecoder();
      const apiVersion = "client.authentication.k8s.io/v1";
      const status = {
        clientCertificateData: decoder.decode(cert),
        clientKeyData: decoder.decode(key),
      };
      const credential = JSON.stringify({ kind: "ExecCredential", apiVersion, status });
      const plugIns = `${directory}/${name}`;
      await Deno.mkdir(plugIns);
      // By the name of one that people have.
      await Deno.writeTextFile(
        `${plugIns}/kubelogin`,
        `#!/bin/sh\ncat <<'END'\n${credential}\nEND\n`,
        { mode: 0o700 },
      );
      const exec = { apiVersion, command: "kubelogin", interactiveMode: "Never" };
      const subject = { kind: "User", apiGroup: RBAC_GROUP, name };
      const env = { PATH: `${plugIns}:${Deno.env.get("PATH")}` };
      return { kubeconfig: await write(name, { exec }), subject, env };
    },
    async impersonation(name) {
      const user = { ...config.users[0].user, as: name, "as-groups": [`team-${name}`] };
      const subject = { kind: "Group", apiGroup: RBAC_GROUP, name: `team-${name}` };
      return { kubeconfig: await write(name, user), subject, env: {} };
    },
  };
  return {
    create: (kind) => makers[kind](`person-${++count}-${namespace.slice(-8)}`),
    async [Symbol.asyncDispose]() {
      await Deno.remove(directory, { recursive: true });
      await deleteNamespaces(namespace);
    },
  };
}
