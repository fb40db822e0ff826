/**
 * Kubeconfig files that kubectl takes, and what it asks an API server with each: for the client's
 * own reading (`tests/cli/client/cluster`), and for the real kubectl beside it (`tests/e2e`).
 *
 * @module
 */

/** What the files of the cases refer to. */
export interface CaseParts {
  /** `https://127.0.0.1:PORT` of the stand-in API server. */
  server: string;
  /** Its authority: a file, PEM, and base64 of PEM. */
  caFile: string;
  caPem: string;
  ca: string;
  /** The name in its certificate. */
  serverName: string;
  /** A client certificate for `ann` and its key, base64 of PEM. */
  certificate: string;
  key: string;
  /** A directory with `token`, `empty`, and plug-ins in `bin`, such as `aws`. */
  directory: string;
  bin: string;
  /** URLs of proxies, which lead to the API server whatever they are asked for. */
  proxies: Record<"http" | "https" | "socks5", string>;
}

/** One kubeconfig, or several that are merged. */
export interface KubeconfigCase {
  /** The row of the reports that it comes from, if it comes from one. */
  name: string;
  files: (parts: CaseParts) => string[];
  env?: (parts: CaseParts) => Record<string, string>;
  /** Why kubectl is not asked. */
  notForKubectl?: string;
  /** What the API server sees of the request, where it differs from a token `tok`. */
  seen?: {
    authorization?: string;
    certificate?: string;
    impersonation?: [string, string][];
    path?: string;
    serverName?: string;
  };
}

export const CONTEXT = `current-context: c
contexts: [{name: c, context: {cluster: k, user: u, namespace: shop}}]
`;

export const USER = `users: [{name: u, user: {token: tok}}]
`;

/** A cluster `k`, with more fields. */
export const cluster = ({ server, ca }: CaseParts, more = "") =>
  `clusters: [{name: k, cluster: {server: "${server}", certificate-authority-data: ${ca}, ` +
  `tls-server-name: kubernetes.example${more}}}]\n`;

/** A user `u` with these fields. */
export const user = (fields: string) => `users: [{name: u, user: {${fields}}}]\n`;

/** A whole file. */
export const file = (parts: CaseParts, users = USER) => CONTEXT + cluster(parts) + users;

/** The plug-in `aws`, with more fields. */
export const exec = (fields = "") =>
  "exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: [eks, get-token], " +
  `interactiveMode: Never${fields}}`;

/** With which plug-ins are found. */
export const plugIn = ({ directory }: CaseParts) => ({ PATH: `${directory}/bin:/usr/bin:/bin` });

/** A JSON Web Token that ends in some year; kubectl looks at nothing else of it. */
export const idToken = (year: number) =>
  [{ alg: "none" }, { exp: Date.UTC(year) / 1000 }]
    .map((part) => btoa(JSON.stringify(part)).replaceAll("=", "")).join(".") + ".c2ln";

const ID_TOKEN = idToken(2100);

const PLUGGED = { authorization: "Bearer plugtok" };

/** Each asks for the pod `shop/web-0`, and is answered. */
export const KUBECONFIG_CASES: KubeconfigCase[] = [
  { name: "a token", files: (parts) => [file(parts)] },
  {
    name: "k01: insecure-skip-tls-verify",
    files: ({ server }) => [
      `${CONTEXT}clusters: [{name: k, cluster: {server: "${server}", ` +
      `insecure-skip-tls-verify: true}}]\n${USER}`,
    ],
  },
  {
    name: "insecure-skip-tls-verify: yes, as YAML 1.1 has it",
    files: ({ server }) => [
      `${CONTEXT}clusters: [{name: k, cluster: {server: "${server}", ` +
      `insecure-skip-tls-verify: yes}}]\n${USER}`,
    ],
  },
  {
    name: "k02: exec",
    files: (parts) => [file(parts, user(exec()))],
    env: plugIn,
    seen: PLUGGED,
  },
  {
    name: "k03: exec, and LD_LIBRARY_PATH",
    files: (parts) => [file(parts, user(exec()))],
    env: (parts) => ({ ...plugIn(parts), LD_LIBRARY_PATH: "/opt/nothing" }),
    seen: PLUGGED,
  },
  {
    name: "k04: exec of kubectl",
    files: (parts) => [file(parts, user(exec().replace("aws", "kubectl")))],
    env: plugIn,
    seen: PLUGGED,
  },
  {
    name: "exec: env, args: null",
    files: (parts) => [
      file(
        parts,
        user(exec(", env: [{name: FOO, value: bar}]").replace(/args: \[.*?\]/, "args: null")),
      ),
    ],
    env: plugIn,
    seen: PLUGGED,
  },
  {
    name: "k36: exec by a path that is relative to the file",
    files: (parts) => [file(parts, user(exec().replace("command: aws", "command: ./bin/aws")))],
    env: plugIn,
    seen: PLUGGED,
  },
  {
    name: "k31: a client certificate beside exec",
    files: (parts) => [
      file(
        parts,
        user(
          `client-certificate-data: ${parts.certificate}, client-key-data: ${parts.key}, ${exec()}`,
        ),
      ),
    ],
    env: plugIn,
    seen: { authorization: undefined, certificate: "ann" },
  },
  {
    name: "a token beside exec",
    files: (parts) => [file(parts, user(`token: tok, ${exec()}`))],
    env: plugIn,
  },
  {
    name: "k07: a merge key",
    files: (parts) => [
      `${CONTEXT}clusters:
- name: other
  cluster: &base {server: "${parts.server}", certificate-authority-data: ${parts.ca}}
- name: k
  cluster:
    <<: *base
    tls-server-name: kubernetes.example
${USER}`,
    ],
  },
  { name: "k09: an empty file in the list", files: (parts) => ["", file(parts)] },
  { name: "k09: a file of comments in the list", files: (parts) => ["# nothing\n\n", file(parts)] },
  { name: "a file that says null", files: (parts) => ["null\n", file(parts)] },
  {
    name: "k11: an empty proxy-url",
    files: (parts) => [CONTEXT + cluster(parts, ', proxy-url: ""') + USER],
  },
  {
    name: "k13: a path in the server, and a slash",
    files: (parts) => [
      CONTEXT + cluster({ ...parts, server: `${parts.server}/k8s/clusters/c-m-abc/` }) + USER,
    ],
    seen: { path: "/k8s/clusters/c-m-abc" },
    notForKubectl: "kubectl get --raw leaves the server's path out",
  },
  {
    name: "a certificate-authority in a file, beside it",
    files: (parts) => [
      `${CONTEXT}clusters: [{name: k, cluster: {server: "${parts.server}", ` +
      `certificate-authority: ca.crt, tls-server-name: kubernetes.example}}]\n${USER}`,
    ],
  },
  {
    name: "k15: two authorities",
    files: (parts) => [file({ ...parts, ca: btoa(parts.caPem + parts.caPem) })],
  },
  {
    name: "k16: data in a literal block",
    files: (parts) => [
      `${CONTEXT}clusters:
- name: k
  cluster:
    server: ${parts.server}
    tls-server-name: kubernetes.example
    certificate-authority-data: |
${parts.ca.replace(/.{1,64}/g, "      $&\n")}${USER}`,
    ],
  },
  {
    name: "k18: acting as somebody else",
    files: (parts) => [
      file(
        parts,
        user(
          "token: tok, as: jane@example.com, as-groups: [dev, ops team], as-uid: '42', " +
            "as-user-extra: {example.com/Scopes: [view, edit]}",
        ),
      ),
    ],
    seen: {
      impersonation: [
        ["impersonate-extra-example.com%2fscopes", "edit"],
        ["impersonate-extra-example.com%2fscopes", "view"],
        ["impersonate-group", "dev"],
        ["impersonate-group", "ops team"],
        ["impersonate-uid", "42"],
        ["impersonate-user", "jane@example.com"],
      ],
    },
  },
  {
    name: "k19: a user and a password in UTF-8",
    files: (parts) => [file(parts, user("username: adm, password: 'p:w ö'"))],
    seen: { authorization: "Basic YWRtOnA6dyDDtg==" },
  },
  {
    name: "a user and a password in the server",
    files: (parts) => [
      CONTEXT + cluster({ ...parts, server: parts.server.replace("//", "//adm:pw@") }) +
      "users: [{name: u, user: {}}]\n",
    ],
    seen: { authorization: "Basic YWRtOnB3" },
    notForKubectl: "kubectl asks for a user name first",
  },
  {
    name: "k20: a client certificate",
    files: (parts) => [
      file(
        parts,
        user(`client-certificate-data: ${parts.certificate}, client-key-data: ${parts.key}`),
      ),
    ],
    seen: { authorization: undefined, certificate: "ann" },
  },
  {
    name: "no user",
    files: (parts) => [file(parts, "").replace("user: u, ", "")],
    seen: { authorization: undefined },
    notForKubectl: "kubectl asks for a user name first",
  },
  {
    name: "k22: a list that is merged, with files that are not there",
    files: (parts) => [
      cluster(parts) + "contexts: [{name: c, context: {cluster: k, user: u, namespace: shop}}]\n",
      "/nonexistent/config",
      "current-context: c\n" + USER,
    ],
  },
  {
    name: "of two users with one name the first file's counts",
    files: (parts) => [file(parts), user("token: other")],
  },
  { name: "k25: a byte order mark", files: (parts) => [`\ufeff${file(parts)}`] },
  { name: "carriage returns", files: (parts) => [file(parts).replaceAll("\n", "\r\n")] },
  {
    name: "JSON",
    files: (parts) => [
      JSON.stringify({
        "current-context": "c",
        contexts: [{ name: "c", context: { cluster: "k", user: "u", namespace: "shop" } }],
        clusters: [{
          name: "k",
          cluster: {
            server: parts.server,
            "certificate-authority-data": parts.ca,
            "tls-server-name": parts.serverName,
          },
        }],
        users: [{ name: "u", user: { token: "tok" } }],
      }),
    ],
  },
  { name: "k27: two documents", files: (parts) => [`---\n${file(parts)}---\nkind: Config\n`] },
  { name: "k28: a key twice", files: (parts) => [`kind: Config\n${file(parts)}kind: Config\n`] },
  {
    name: "k29: auth-provider oidc",
    files: (parts) => [
      file(
        parts,
        user(
          `auth-provider: {name: oidc, config: {id-token: ${ID_TOKEN}, client-id: x, ` +
            "idp-issuer-url: https://127.0.0.1:1}}",
        ),
      ),
    ],
    seen: { authorization: `Bearer ${ID_TOKEN}` },
  },
  {
    name: "k34: tls-server-name",
    files: (parts) => [file(parts)],
    seen: { serverName: "kubernetes.example" },
  },
  {
    name: "k37: an alias",
    files: (parts) => [
      `${CONTEXT}clusters:
- {name: other, cluster: &base {server: "${parts.server}", certificate-authority-data: ${parts.ca}, tls-server-name: kubernetes.example}}
- {name: k, cluster: *base}
${USER}`,
    ],
  },
  {
    name: "a token in a file, relative to the kubeconfig",
    files: (parts) => [file(parts, user("tokenFile: token"))],
    seen: { authorization: "Bearer from-a-file" },
  },
  {
    name: "!!binary",
    files: (parts) => [file(parts, user("token: !!binary dG9r"))],
  },
];

/** Kubeconfig files that kubectl refuses, and what the client has to name. */
export const BAD_KUBECONFIGS: {
  name: string;
  files: (parts: CaseParts) => string[];
  env?: (parts: CaseParts) => Record<string, string>;
  /** Default: 2, usage. */
  exitStatus?: number;
  message: RegExp;
}[] = [
  {
    name: "k32: data that kubectl config view has omitted",
    files: (parts) => [file({ ...parts, ca: "DATA+OMITTED" })],
    message: /cluster 'k': certificate-authority-data was left out; `kubectl config view --raw`/,
  },
  {
    name: "data that is no certificate",
    files: (parts) => [file({ ...parts, ca: btoa("hello") })],
    message: /cluster 'k': certificate-authority holds no certificate/,
  },
  {
    name: "a certificate-authority that is not there",
    files: ({ server }) => [
      `${CONTEXT}clusters: [{name: k, cluster: {server: "${server}", ` +
      `certificate-authority: nope.crt}}]\n${USER}`,
    ],
    message: /cluster 'k': certificate-authority names a file that cannot be read: .*nope\.crt/,
  },
  {
    name: "an authority that is not to be used",
    files: (parts) => [CONTEXT + cluster(parts, ", insecure-skip-tls-verify: true") + USER],
    message: /cluster 'k' has a certificate-authority and insecure-skip-tls-verify/,
  },
  {
    name: "a missing user",
    files: (parts) => [file(parts, "users: []\n")],
    message: /context 'c' names user 'u', which it lacks/,
  },
  {
    name: "a missing cluster",
    files: () => [`${CONTEXT}clusters: []\n${USER}`],
    message: /context 'c' names cluster 'k', which it lacks/,
  },
  {
    name: "a missing tokenFile",
    files: (parts) => [file(parts, user("tokenFile: nope"))],
    message: /user 'u' names a tokenFile that cannot be read: .*nope/,
  },
  {
    name: "a token and a password",
    files: (parts) => [file(parts, user("token: tok, username: adm, password: pw"))],
    message: /user 'u' has a token and a username or password/,
  },
  {
    name: "a certificate without a key",
    files: (parts) => [file(parts, user(`client-certificate-data: ${parts.certificate}`))],
    message: /user 'u' has a client-certificate without a client-key/,
  },
  {
    name: "groups without a user",
    files: (parts) => [file(parts, user("token: tok, as-groups: [dev]"))],
    message: /user 'u' has as-uid, as-groups or as-user-extra without as/,
  },
  {
    name: "a list where a map belongs",
    files: () => [`${CONTEXT}clusters: {k: {}}\n${USER}`],
    message: /clusters is a map, not a list/,
  },
  {
    name: "a map where a text belongs",
    files: (parts) => [file(parts, user("token: {a: b}"))],
    message: /users\[0\]\.user\.token is a map, not a string/,
  },
  {
    name: "a number where a text belongs",
    files: (parts) => [file(parts, user("token: 12345"))],
    message: /users\[0\]\.user\.token is a number, not a string; put it in quotes\?/,
  },
  { name: "no YAML", files: () => ["a: [b\n"], message: /kubeconfig .*: / },
  {
    name: "a proxy of another kind",
    files: (parts) => [CONTEXT + cluster(parts, ", proxy-url: 'ftp://p'") + USER],
    message: /cluster 'k' has the proxy-url 'ftp:\/\/p', which is not one of http, https or socks5/,
  },
  {
    name: "exec without a command",
    files: (parts) => [file(parts, user(exec().replace("command: aws, ", "")))],
    message: /user 'u': exec has no command/,
  },
  {
    name: "exec of an unknown version",
    files: (parts) => [file(parts, user(exec().replace("k8s.io/v1,", "k8s.io/v9,")))],
    message: /user 'u': exec has the apiVersion 'client\.authentication\.k8s\.io\/v9'/,
  },
  {
    name: "exec without an interactiveMode",
    files: (parts) => [file(parts, user(exec().replace(", interactiveMode: Never", "")))],
    message: /user 'u': exec has no interactiveMode/,
  },
  {
    name: "a removed auth-provider",
    files: (parts) => [file(parts, user("auth-provider: {name: gcp, config: {}}"))],
    message: /user 'u' has the auth-provider 'gcp', which kubectl has removed/,
  },
  {
    name: "exec that is not installed",
    files: (parts) => [
      file(parts, user(exec(", installHint: get it").replace("command: aws", "command: tsh"))),
    ],
    env: plugIn,
    exitStatus: 4,
    message: /no credentials for the API server from tsh: it is not installed\n.*get it/,
  },
  {
    name: "exec that fails",
    files: (parts) => [file(parts, user(exec().replace("command: aws", "command: vault")))],
    env: plugIn,
    exitStatus: 4,
    message: /no credentials for the API server from vault: it ended with exit status 3/,
  },
  {
    name: "exec that prints something else",
    files: (parts) => [file(parts, user(exec().replace("command: aws", "command: pinniped")))],
    env: plugIn,
    exitStatus: 4,
    message: /from pinniped: what it printed is not an ExecCredential/,
  },
  {
    name: "exec that answers in another version",
    files: (parts) => [file(parts, user(exec().replace("k8s.io/v1,", "k8s.io/v1beta1,")))],
    env: plugIn,
    exitStatus: 4,
    message:
      /what it printed is of version 'client\.authentication\.k8s\.io\/v1', and the kubeconfig asks/,
  },
  {
    name: "exec that needs a terminal",
    files: (parts) => [file(parts, user(exec().replace("Mode: Never", "Mode: Always")))],
    env: plugIn,
    exitStatus: 4,
    message: /it wants to ask something, and standard input is not a terminal/,
  },
  {
    name: "a context that is not there",
    files: (parts) => [file(parts).replace("current-context: c", "current-context: d")],
    message: /it has no context 'd'; its contexts: c/,
  },
];
