/**
 * More kubeconfig files, member by member of each kind: text, entries, servers, users,
 * impersonation, plug-ins and proxies. What kubectl 1.37 does with each was seen, and is asked of
 * it in the test.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  type CaseParts,
  cluster,
  CONTEXT,
  file,
  idToken,
  type KubeconfigCase,
  plugIn,
  USER,
  user,
} from "./kubeconfig_cases.ts";

/** A kubeconfig that is taken, or refused. */
export interface KubeconfigKind extends Omit<KubeconfigCase, "files"> {
  files: (parts: CaseParts) => (string | Uint8Array)[];
  /** The script of the plug-in `plugin`. */
  plugin?: string;
  /** What the client says: nothing is asked of an API server. */
  refused?: RegExp;
  /** Default of what is refused: 2. */
  exitStatus?: number;
  /** What a proxy was asked for. */
  proxied?: string;
}

const token = (text: string) => (parts: CaseParts) => [file(parts, user(`token: ${text}`))];

const withCluster = (more: string, server?: string) => (parts: CaseParts) => [
  CONTEXT + cluster({ ...parts, server: server ?? parts.server }, more) + USER,
];

const withAuthority = (change: (pem: string) => string) => (parts: CaseParts) => [
  file({ ...parts, ca: btoa(change(parts.caPem)) }),
];

const withUser = (fields: string | ((parts: CaseParts) => string)) => (parts: CaseParts) => [
  file(parts, user(typeof fields === "string" ? fields : fields(parts))),
];

const BROKEN = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/** How the text of a file is read. */
const TEXTS: KubeconfigKind[] = [
  { name: "a tab before a value", files: token("\ttok") },
  {
    name: "a tab that indents",
    files: (parts) => [file(parts, "users:\n- name: u\n  user:\n\ttoken: tok\n")],
    refused: /tab/,
  },
  { name: "a number with underscores", files: token("1_000"), refused: /token is a number/ },
  { name: "a binary number", files: token("0b11"), refused: /token is a number/ },
  { name: "a number with a fraction and underscores", files: token("6_8.1"), refused: /a number/ },
  { name: "a number tagged as text", files: token("!!str tok") },
  {
    name: "a date is text",
    files: token("2001-01-01"),
    seen: { authorization: "Bearer 2001-01-01" },
  },
  { name: "base 60 is text", files: token("12:30:45"), seen: { authorization: "Bearer 12:30:45" } },
  ...(["utf-16le", "utf-16be"] as const).map((encoding): KubeconfigKind => ({
    name: `${encoding} with a byte order mark`,
    files: (parts) => {
      const bytes = Buffer.from(`\ufeff${file(parts)}`, "utf16le");
      return [encoding === "utf-16le" ? bytes : bytes.swap16()];
    },
  })),
  {
    name: "bytes that are not UTF-8",
    files: (
      parts,
    ) => [Buffer.concat([Buffer.from("# "), new Uint8Array([0xff, 10]), Buffer.from(file(parts))])],
    refused: /it is not text in UTF-8/,
  },
  {
    name: "what is behind the document's end",
    files: (parts) => [`${file(parts)}...\n[garbage\n`],
  },
  {
    name: "a second document that is no YAML",
    files: (parts) => [`${file(parts)}---\n[garbage\n`],
  },
  {
    name: "a first document that is empty",
    files: (parts) => [`---\n---\n${file(parts)}`],
    refused: /it has no current context/,
  },
  { name: "comments before the first document", files: (parts) => [`# a\n\n---\n${file(parts)}`] },
  { name: "kind and version", files: (parts) => [`apiVersion: v1\nkind: Config\n${file(parts)}`] },
  {
    name: "kind and version that are null",
    files: (parts) => [`apiVersion: ~\nkind:\n${file(parts)}`],
  },
  {
    name: "another kind",
    files: (parts) => [`kind: List\n${file(parts)}`],
    refused: /it is a List of version v1/,
  },
  {
    name: "another version",
    files: (parts) => [`apiVersion: v2\n${file(parts)}`],
    refused: /of version v2/,
  },
  {
    name: "preferences of another type",
    files: (parts) => [`preferences: []\n${file(parts)}`],
    refused: /preferences is a list/,
  },
  {
    name: "extensions of another type",
    files: (parts) => [`extensions: {}\n${file(parts)}`],
    refused: /extensions is a map/,
  },
  {
    name: "fields of another case",
    files: (parts) => [file(parts, user("TOKEN: nope, token: tok"))],
  },
];

/** Clusters, users and contexts. */
const ENTRIES: KubeconfigKind[] = [
  {
    name: "a name twice in one file",
    files: (
      parts,
    ) => [
      CONTEXT + cluster(parts) + "users: [{name: u, user: {token: tok}}, {name: u, user: {}}]\n",
    ],
    refused: /users has the name 'u' twice/,
  },
  {
    name: "empty names",
    files: (parts) => [
      `contexts: [{name: "", context: {cluster: "", user: ""}}]\n` +
      cluster(parts).replace("name: k", 'name: ""') + USER.replace("name: u", 'name: ""'),
    ],
  },
  ...["__proto__", "constructor", "ünï", "arn:aws:eks:eu:1:cluster/x", "a b"].map((name) => ({
    name: `the name ${name}`,
    files: (parts: CaseParts) => [
      `current-context: ${name}\ncontexts: [{name: ${name}, context: {cluster: ${name}, user: ${name}}}]\n` +
      cluster(parts).replace("name: k", `name: ${name}`) + USER.replace("name: u", `name: ${name}`),
    ],
  })),
  {
    name: "a name that is a number",
    files: (parts) => [file(parts).replace("name: c", "name: 1")],
    refused: /contexts\[0\]\.name is a number/,
  },
  {
    name: "entries that are null",
    files: (parts) => [CONTEXT + cluster(parts) + "users: [null, {name: u, user: {token: tok}}]\n"],
  },
  {
    name: "of two users with one name nothing of the second file's",
    files: (parts) => [file(parts), user("username: ann, password: pw")],
  },
  {
    name: "data of another entry that is not base64",
    files: (parts) => [
      file(parts).replace(
        "clusters: [",
        "clusters: [{name: z, cluster: {certificate-authority-data: '!!'}}, ",
      ),
    ],
    refused: /clusters\[0\]\.cluster\.certificate-authority-data is not base64/,
  },
  {
    name: "a file of another entry that is not there",
    files: (parts) => [
      file(parts).replace(
        "clusters: [",
        "clusters: [{name: z, cluster: {certificate-authority: nope}}, ",
      ),
    ],
  },
];

/** How the API server is reached. */
const SERVERS: KubeconfigKind[] = [
  { name: "a broken authority beside a good one", files: withAuthority((pem) => BROKEN + pem) },
  {
    name: "a broken authority alone",
    files: withAuthority(() => BROKEN),
    refused: /certificate that cannot be read/,
  },
  {
    name: "text around an authority",
    files: withAuthority((pem) => `subject=x\n${pem}\ntrailing`),
  },
  {
    name: "an authority with carriage returns",
    files: withAuthority((pem) => pem.replaceAll("\n", "\r\n")),
  },
  {
    name: "data and a file",
    files: withCluster(", certificate-authority: ca.crt"),
    refused: /certificate-authority and .*-data are there/,
  },
  {
    name: "empty data and a file",
    files: (parts) => [file({ ...parts, ca: "'', certificate-authority: ca.crt" })],
  },
  {
    name: "insecure-skip-tls-verify: false and an authority",
    files: withCluster(", insecure-skip-tls-verify: off"),
  },
  {
    name: "a server with a space behind it",
    files: (parts) => withCluster("", `${parts.server} `)(parts),
    refused: /has a server that is not a URL/,
  },
  {
    name: "a server with a backslash",
    files: (parts) => withCluster("", `${parts.server}\\\\x`)(parts),
    refused: /has a server that is not a URL/,
  },
  {
    name: "a server with a scheme in capitals",
    files: (parts) => withCluster("", parts.server.replace("https", "HTTPS"))(parts),
  },
  {
    name: "a user in the server, and a token",
    files: (parts) => withCluster("", parts.server.replace("//", "//a:b@"))(parts),
    seen: { authorization: "Basic YTpi" },
  },
];

const EXPIRED = (more = "") =>
  `auth-provider: {name: oidc, config: {id-token: ${idToken(2001)}, client-id: x, ` +
  `idp-issuer-url: 'https://127.0.0.1:1'${more}}}`;

/** Who asks, and as whom. */
const USERS: KubeconfigKind[] = [
  {
    name: "a token in UTF-8",
    files: token("'日本 tök'"),
    seen: { authorization: latin1("Bearer 日本 tök") },
  },
  {
    name: "a token of two lines",
    files: token('"tok\\n"'),
    refused: /user 'u' has a token with line breaks/,
  },
  {
    name: "a token, and a tokenFile that is not there",
    files: withUser("token: tok, tokenFile: nope"),
  },
  { name: "a token, and an empty tokenFile", files: withUser("token: tok, tokenFile: empty") },
  {
    name: "a token, and a tokenFile",
    files: withUser("token: tok, tokenFile: token"),
    seen: { authorization: "Bearer from-a-file" },
  },
  {
    name: "an empty tokenFile",
    files: withUser("tokenFile: empty"),
    refused: /names the tokenFile .*, which is empty/,
  },
  {
    name: "a tokenFile and a username",
    files: withUser("tokenFile: token, username: a"),
    refused: /has a token and a username/,
  },
  {
    name: "a token and an auth-provider that was removed",
    files: withUser("token: tok, auth-provider: {name: gcp}"),
    refused: /'gcp', which kubectl has removed/,
  },
  {
    name: "a token and an exec without a command",
    files: withUser(
      "token: tok, exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}",
    ),
    refused: /exec has no command/,
  },
  {
    name: "a key without a certificate",
    files: withUser(({ key }) => `token: tok, client-key-data: ${key}`),
  },
  {
    name: "certificate and key in one",
    files: withUser(({ certificate, key }) => {
      const both = btoa(atob(certificate) + atob(key));
      return `client-certificate-data: ${both}, client-key-data: ${both}`;
    }),
    seen: { authorization: undefined, certificate: "ann" },
  },
  {
    name: "an id-token that has ended",
    files: withUser(EXPIRED()),
    exitStatus: 4,
    refused: /user 'u': its id-token has ended, and it has no refresh-token/,
  },
  {
    name: "an id-token that cannot be renewed",
    files: withUser(EXPIRED(", refresh-token: r")),
    exitStatus: 4,
    refused: /its id-token cannot be renewed: .*127\.0\.0\.1:1/,
  },
  {
    name: "an id-token that says no end, and an auth-provider without an issuer",
    files: withUser("auth-provider: {name: oidc, config: {id-token: idtok, client-id: x}}"),
    seen: { authorization: "Bearer idtok" },
    notForKubectl: "kubectl wants an issuer, and a JSON Web Token",
  },
  {
    name: "an auth-provider with neither token",
    files: withUser(
      "auth-provider: {name: oidc, config: {client-id: x, idp-issuer-url: 'https://127.0.0.1:1'}}",
    ),
    refused: /an auth-provider without an id-token: log in again/,
  },
  {
    name: "an id-token that cannot be renewed without a client-id",
    files: withUser(EXPIRED(", refresh-token: r").replace("client-id: x, ", "")),
    exitStatus: 4,
    refused: /its id-token cannot be renewed: its auth-provider has no client-id/,
  },
  {
    name: "an id-token that cannot be renewed without an issuer",
    files: withUser(EXPIRED(", refresh-token: r").replace(/idp-issuer-url: '.*?'/, "a: b")),
    exitStatus: 4,
    refused: /its id-token cannot be renewed: its auth-provider has no idp-issuer-url/,
  },
  {
    name: "as a user and groups in UTF-8",
    files: withUser("token: tok, as: 'jörg 日', as-groups: [größe]"),
    seen: {
      impersonation: [["impersonate-group", latin1("größe")], [
        "impersonate-user",
        latin1("jörg 日"),
      ]],
    },
  },
  {
    name: "as-user-extra with odd keys",
    files: withUser("token: tok, as: a, as-user-extra: {'A(b)c%d e/ö#$&+^`|_~!*': [x]}"),
    seen: {
      impersonation: [["impersonate-extra-a%28b%29c%25d%20e%2f%c3%b6#$&+^`|_~!*", "x"], [
        "impersonate-user",
        "a",
      ]],
    },
  },
  {
    name: "as a user of two lines",
    files: withUser('token: tok, as: "a\\nb"'),
    refused: /has a Impersonate-User with line breaks/,
  },
  {
    name: "a group twice, and an empty one",
    files: withUser("token: tok, as: a, as-groups: [x, x, '']"),
    seen: {
      impersonation: [["impersonate-group", ""], ["impersonate-group", "x"], [
        "impersonate-group",
        "x",
      ], ["impersonate-user", "a"]],
    },
  },
];

/** `text` as Node.js shows the bytes of a header. */
function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}

const VERSION = "client.authentication.k8s.io/v1";
const exec = (more = "", command = "plugin") =>
  `exec: {apiVersion: ${VERSION}, command: ${command}, interactiveMode: Never${more}}`;

const print = (text: string) => `cat <<'END'\n${text}\nEND`;
const answer = (status: unknown, more = {}) =>
  print(JSON.stringify({ kind: "ExecCredential", apiVersion: VERSION, status, ...more }));
const TOKEN = { token: "plugtok" };
const PLUGGED = { authorization: "Bearer plugtok" };

/** What plug-ins print, and how they are found. */
const PLUGINS: KubeconfigKind[] = ([
  {
    name: "YAML",
    plugin: print(`kind: ExecCredential\napiVersion: ${VERSION}\nstatus:\n  token: plugtok`),
  },
  { name: "no kind", plugin: answer(TOKEN, { kind: undefined }) },
  {
    name: "no version",
    plugin: answer(TOKEN, { apiVersion: undefined }),
    refused: /is of version ''/,
  },
  {
    name: "text before it",
    plugin: `echo hello; ${answer(TOKEN)}`,
    refused: /is not an ExecCredential/,
  },
  { name: "no status", plugin: answer(null), refused: /is an ExecCredential without a status/ },
  { name: "an empty status", plugin: answer({}), refused: /has no token and no certificate/ },
  {
    name: "an empty token",
    plugin: answer({ token: "" }),
    refused: /has no token and no certificate/,
  },
  {
    name: "a token that is a number",
    plugin: answer({ token: 5 }),
    refused: /has a token that is not a string/,
  },
  {
    name: "a token of two lines",
    plugin: answer({ token: "plugtok\n" }),
    refused: /a token with line breaks/,
  },
  {
    name: "a certificate without a key",
    plugin: answer({ ...TOKEN, clientCertificateData: "x" }),
    refused: /a certificate or a key without the other/,
  },
  {
    name: "a certificate that is none",
    plugin: answer({ clientCertificateData: "x", clientKeyData: "y" }),
    refused: /a certificate or a key that is not PEM/,
  },
  { name: "no end", plugin: answer({ ...TOKEN, expirationTimestamp: null }) },
  {
    name: "an end with a zone",
    plugin: answer({ ...TOKEN, expirationTimestamp: "2101-01-01T00:00:00.5+02:00" }),
  },
  {
    name: "an end that has been",
    plugin: answer({ ...TOKEN, expirationTimestamp: "2001-01-01T00:00:00Z" }),
  },
  {
    name: "an end that is a day",
    plugin: answer({ ...TOKEN, expirationTimestamp: "2101-01-01" }),
    refused: /ends at a time that is not RFC 3339/,
  },
  {
    name: "an end that is a number",
    plugin: answer({ ...TOKEN, expirationTimestamp: 4102444800 }),
    refused: /not RFC 3339/,
  },
  { name: "nothing", plugin: "true", refused: /is not an ExecCredential/ },
  {
    name: "an answer, and exit status 1",
    plugin: `${answer(TOKEN)}\nexit 1`,
    refused: /it ended with exit status 1/,
  },
  {
    name: "args as they are",
    files: withUser(exec(", args: ['a b', '', '*', null]")),
    plugin: `[ $# = 4 ] && [ "$1$2$3$4" = 'a b*' ] && ${answer(TOKEN)}`,
  },
  {
    name: "env as it is, and KUBERNETES_EXEC_INFO of its own",
    files: withUser(
      exec(", env: [{name: A, value: 'b c'}, {name: B}, {name: KUBERNETES_EXEC_INFO, value: x}]"),
    ),
    plugin: `[ "$A-\${B?}" = "b c-" ] && [ "$KUBERNETES_EXEC_INFO" != x ] && ${answer(TOKEN)}`,
  },
  {
    name: "an arg that is a number",
    files: withUser(exec(", args: [1]")),
    refused: /exec\.args\[0\] is a number/,
    exitStatus: 2,
  },
  {
    name: "env that is a map",
    files: withUser(exec(", env: {A: b}")),
    refused: /exec\.env is a map/,
    exitStatus: 2,
  },
  {
    name: "a path that starts at the home directory",
    files: withUser(exec("", "'~/bin/plugin'")),
    refused: /it is not installed/,
  },
  {
    name: "a file that is not to be run",
    files: withUser(exec("", "./token")),
    refused: /it is not installed/,
  },
  { name: "a directory", files: withUser(exec("", "./bin")), refused: /it is not installed/ },
  {
    name: "version v1beta1, and an empty interactiveMode",
    files: withUser(exec().replaceAll("/v1", "/v1beta1").replace("Never", "''")),
    plugin: answer(TOKEN).replace("/v1", "/v1beta1"),
  },
  {
    name: "version v1alpha1",
    files: withUser(exec().replaceAll("/v1", "/v1alpha1")),
    refused: /has the apiVersion '.*\/v1alpha1'/,
    exitStatus: 2,
  },
] as (Partial<KubeconfigKind> & { name: string })[]).map((each) => ({
  files: withUser(exec()),
  env: plugIn,
  seen: PLUGGED,
  plugin: "true",
  exitStatus: 4,
  ...each,
  name: `exec: ${each.name}`,
}));

const SERVER = "https://api.example.invalid:6443";
const CONNECT = "CONNECT api.example.invalid:6443";

const proxy = (
  name: string,
  url: string | ((parts: CaseParts) => string),
  proxied: string,
  variable = "HTTPS_PROXY",
): KubeconfigKind => ({
  name: `${variable}: ${name}`,
  files: withCluster("", SERVER),
  env: (parts) => ({ [variable]: typeof url === "string" ? url : url(parts) }),
  proxied,
});

const proxyUrl = (
  name: string,
  url: (parts: CaseParts) => string,
  more: Partial<KubeconfigKind>,
): KubeconfigKind => ({
  name: `proxy-url: ${name}`,
  files: (parts) => withCluster(`, proxy-url: "${url(parts)}"`, SERVER)(parts),
  ...more,
});

const as = (who: string, url: string) => url.replace("//", `//${who}@`);
const bare = (url: string) => url.replace(/^\w+:\/\//, "");

/** Proxies; the API server has a name that DNS does not know. */
const PROXIES: KubeconfigKind[] = [
  proxy("in lower case", ({ proxies }) => proxies.http, `http ${CONNECT}`, "https_proxy"),
  proxy("without a scheme", ({ proxies }) => bare(proxies.http), `http ${CONNECT}`),
  proxy("with another scheme", ({ proxies }) => `ftp://${bare(proxies.http)}`, `http ${CONNECT}`),
  proxy("with a path", ({ proxies }) => `${proxies.http}/proxy?a=b`, `http ${CONNECT}`),
  proxy(
    "with a user",
    ({ proxies }) => as("u%40:p%3A", proxies.http),
    `http ${CONNECT} Basic dUA6cDo=`,
  ),
  proxy(
    "with a user, without a scheme",
    ({ proxies }) => `u:p@${bare(proxies.http)}`,
    `http ${CONNECT} Basic dTpw`,
  ),
  proxy("SOCKS5", ({ proxies }) => proxies.socks5, "socks5 api.example.invalid:6443"),
  proxy(
    "SOCKS5, the name looked up there",
    ({ proxies }) => proxies.socks5.replace("5:", "5h:"),
    "socks5 api.example.invalid:6443",
  ),
  proxy(
    "SOCKS5 with a user",
    ({ proxies }) => as("u%40:p", proxies.socks5),
    "socks5 api.example.invalid:6443 u@:p",
  ),
  proxyUrl("HTTP", ({ proxies }) => proxies.http, { proxied: `http ${CONNECT}` }),
  proxyUrl("also where NO_PROXY excepts all", ({ proxies }) => proxies.http, {
    env: () => ({ NO_PROXY: "*" }),
    proxied: `http ${CONNECT}`,
  }),
  proxyUrl("before HTTPS_PROXY", ({ proxies }) => `${proxies.http}/`, {
    env: () => ({ HTTPS_PROXY: "http://127.0.0.1:1" }),
    proxied: `http ${CONNECT}`,
  }),
  proxyUrl("HTTPS, with the cluster's authority", ({ proxies }) => proxies.https, {
    proxied: `https ${CONNECT}`,
  }),
  {
    name: "proxy-url: HTTPS, with insecure-skip-tls-verify",
    files: ({ proxies }) => [
      `${CONTEXT}clusters: [{name: k, cluster: {server: "${SERVER}", proxy-url: "${proxies.https}", ` +
      `insecure-skip-tls-verify: true}}]\n${USER}`,
    ],
    proxied: `https ${CONNECT}`,
  },
  proxyUrl("SOCKS5", ({ proxies }) => proxies.socks5.toUpperCase(), {
    proxied: "socks5 api.example.invalid:6443",
  }),
  proxyUrl("without a scheme", ({ proxies }) => bare(proxies.http), {
    refused: /has the proxy-url '127.*', which is not one of/,
  }),
  proxyUrl("socks5h", ({ proxies }) => proxies.socks5.replace("5:", "5h:"), {
    refused: /'socks5h:.*', which is not one of/,
  }),
  {
    name: "proxy-url: empty, and HTTPS_PROXY",
    files: withCluster(', proxy-url: ""', SERVER),
    env: ({ proxies }) => ({ HTTPS_PROXY: proxies.http }),
    proxied: `http ${CONNECT}`,
  },
  {
    name: "HTTP_PROXY and ALL_PROXY: not for HTTPS",
    files: (parts) => [file(parts)],
    env: () => ({ HTTP_PROXY: "http://127.0.0.1:1", ALL_PROXY: "http://127.0.0.1:1" }),
  },
  {
    name: "HTTPS_PROXY: not for this machine",
    files: (parts) => [file(parts)],
    env: () => ({ HTTPS_PROXY: "http://127.0.0.1:1" }),
  },
];

/** Each asks for the pod `shop/web-0`, and is answered or refused. */
export const KUBECONFIG_KINDS: KubeconfigKind[] = [
  ...[...TEXTS, ...ENTRIES, ...SERVERS, ...USERS],
  ...PLUGINS,
  ...PROXIES,
];
