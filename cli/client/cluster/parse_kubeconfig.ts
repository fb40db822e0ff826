import { loadYaml } from "./go_yaml.ts";

/**
 * A kubeconfig file, as far as this program reads it: `clientcmd/api/v1` of `k8s.io/client-go`.
 * Each field has the type that it says; what a file has otherwise is refused.
 */
export interface Kubeconfig {
  clusters: Named<"cluster", KubeconfigCluster>[];
  users: Named<"user", KubeconfigUser>[];
  contexts: Named<"context", KubeconfigContext>[];
  currentContext: string;
}

/** A cluster, user or context, and the file it is from, at which its relative paths start. */
export interface KubeconfigEntry<T> {
  value: T;
  file: string;
}

/** An entry of a list of a kubeconfig file. */
type Named<Key extends string, Value> = { name: string } & Record<Key, Value>;

/** How to reach an API server. */
export interface KubeconfigCluster {
  server?: string;
  "certificate-authority"?: string;
  "certificate-authority-data"?: string;
  "insecure-skip-tls-verify"?: boolean;
  "tls-server-name"?: string;
  "proxy-url"?: string;
  "disable-compression"?: boolean;
  extensions?: { name: string; extension: unknown }[];
}

/** How to prove who asks. */
export interface KubeconfigUser {
  "client-certificate"?: string;
  "client-certificate-data"?: string;
  "client-key"?: string;
  "client-key-data"?: string;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
  as?: string;
  "as-uid"?: string;
  "as-groups"?: string[];
  "as-user-extra"?: Record<string, string[]>;
  exec?: KubeconfigExec;
  "auth-provider"?: { name: string; config?: Record<string, string> };
}

/** A credential plug-in. */
export interface KubeconfigExec {
  command?: string;
  apiVersion?: string;
  args?: string[];
  env?: { name: string; value: string }[];
  installHint?: string;
  interactiveMode?: string;
  provideClusterInfo?: boolean;
}

/** A cluster, a user and a namespace. */
export interface KubeconfigContext {
  cluster?: string;
  user?: string;
  namespace?: string;
}

/**
 * Reads a kubeconfig file as kubectl does: see `loadYaml`. An empty file is an empty configuration.
 *
 * Throws an `Error` that says where something has another type than it must have.
 */
export function parseKubeconfig(file: Uint8Array): Kubeconfig {
  const root = mapAt(loadYaml(file) ?? {}, "");
  checkRest(root);
  return {
    clusters: namedAt(root, "clusters", "cluster", toCluster),
    users: namedAt(root, "users", "user", toUser),
    contexts: namedAt(root, "contexts", "context", toContext),
    currentContext: textAt(root, "current-context", "") ?? "",
  };
}

/** Throws an `Error` when something that is of no use here is not as kubectl takes it. */
function checkRest(root: Fields): void {
  const kind = textAt(root, "kind", "") || "Config";
  const apiVersion = textAt(root, "apiVersion", "") || "v1";
  if (kind !== "Config" || apiVersion !== "v1") {
    throw new Error(`it is a ${kind} of version ${apiVersion}, not a Config of version v1`);
  }
  listAt(root, "extensions", "");
  const preferences = mapAt(root.preferences ?? {}, "preferences");
  booleanAt(preferences, "colors", "preferences");
  listAt(preferences, "extensions", "preferences");
}

type Fields = Record<string, unknown>;

function toCluster(fields: Fields, at: string): KubeconfigCluster {
  return {
    ...textsAt(fields, at, "server", "certificate-authority", "tls-server-name", "proxy-url"),
    ...dataAt(fields, at, "certificate-authority-data"),
    "insecure-skip-tls-verify": booleanAt(fields, "insecure-skip-tls-verify", at),
    "disable-compression": booleanAt(fields, "disable-compression", at),
    extensions: listAt(fields, "extensions", at).map((each, index) => {
      const where = `${at}.extensions[${index}]`;
      const extension = mapAt(each ?? {}, where);
      return { name: textAt(extension, "name", where) ?? "", extension: extension.extension };
    }),
  };
}

function toUser(fields: Fields, at: string): KubeconfigUser {
  const provider = fields["auth-provider"] ?? undefined;
  const where = `${at}.auth-provider`;
  return {
    ...textsAt(
      fields,
      at,
      "client-certificate",
      "client-key",
      "token",
      "tokenFile",
      "username",
      "password",
      "as",
      "as-uid",
    ),
    ...dataAt(fields, at, "client-certificate-data", "client-key-data"),
    "as-groups": textListAt(fields, "as-groups", at),
    "as-user-extra": toTextLists(fields["as-user-extra"], `${at}.as-user-extra`),
    exec: fields.exec == null ? undefined : toExec(mapAt(fields.exec, `${at}.exec`), `${at}.exec`),
    "auth-provider": provider === undefined ? undefined : {
      name: textAt(mapAt(provider, where), "name", where) ?? "",
      config: toTexts(mapAt(provider, where).config, `${where}.config`),
    },
  };
}

function toExec(fields: Fields, at: string): KubeconfigExec {
  return {
    ...textsAt(fields, at, "command", "apiVersion", "installHint", "interactiveMode"),
    args: textListAt(fields, "args", at),
    env: listAt(fields, "env", at).map((each, index) => {
      const where = `${at}.env[${index}]`;
      const variable = mapAt(each ?? {}, where);
      return {
        name: textAt(variable, "name", where) ?? "",
        value: textAt(variable, "value", where) ?? "",
      };
    }),
    provideClusterInfo: booleanAt(fields, "provideClusterInfo", at),
  };
}

function toContext(fields: Fields, at: string): KubeconfigContext {
  return textsAt(fields, at, "cluster", "user", "namespace");
}

function toTexts(value: unknown, at: string): Record<string, string> {
  const fields = mapAt(value ?? {}, at);
  return Object.fromEntries(Object.keys(fields).map((name) => [name, textAt(fields, name, at)!]));
}

function toTextLists(value: unknown, at: string): Record<string, string[]> {
  const fields = mapAt(value ?? {}, at);
  return Object.fromEntries(
    Object.keys(fields).map((name) => [name, textListAt(fields, name, at)]),
  );
}

function namedAt<Key extends string, Value>(
  root: Fields,
  list: string,
  key: Key,
  convert: (fields: Fields, at: string) => Value,
): Named<Key, Value>[] {
  const names = new Set<string>();
  return listAt(root, list, "").map((each, index) => {
    const at = `${list}[${index}]`;
    const entry = mapAt(each ?? {}, at);
    const value = convert(mapAt(entry[key] ?? {}, `${at}.${key}`), `${at}.${key}`);
    const name = textAt(entry, "name", at) ?? "";
    if (names.has(name)) throw new Error(`${list} has the name '${name}' twice`);
    names.add(name);
    return { name, [key]: value } as Named<Key, Value>;
  });
}

function mapAt(value: unknown, at: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Error(`${at || "the file"} is ${typeOf(value)}, not a map`);
}

function listAt(fields: Fields, name: string, at: string): unknown[] {
  const value = fields[name] ?? [];
  if (Array.isArray(value)) return value;
  throw new Error(`${path(at, name)} is ${typeOf(value)}, not a list`);
}

function textListAt(fields: Fields, name: string, at: string): string[] {
  return listAt(fields, name, at).map((value, index) =>
    toText(value ?? "", `${path(at, name)}[${index}]`)
  );
}

function textsAt<Name extends string>(
  fields: Fields,
  at: string,
  ...names: Name[]
): Partial<Record<Name, string>> {
  const found = names.map((name) => [name, textAt(fields, name, at)] as const);
  return Object.fromEntries(found.filter(([, text]) => text !== undefined)) as Partial<
    Record<Name, string>
  >;
}

/** Texts that have to be base64, without their line breaks; Go leaves nothing else out. */
function dataAt<Name extends string>(
  fields: Fields,
  at: string,
  ...names: Name[]
): Partial<Record<Name, string>> {
  const found = Object.entries(textsAt(fields, at, ...names)) as [Name, string][];
  const data = found.map(([name, text]) => [name, text.replace(/[\r\n]/g, "")] as const);
  for (const [name, base64] of data) {
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64)) {
      throw new Error(`${path(at, name)} is not base64`);
    }
  }
  return Object.fromEntries(data) as Partial<Record<Name, string>>;
}

function textAt(fields: Fields, name: string, at: string): string | undefined {
  const value = fields[name] ?? undefined;
  return value === undefined ? undefined : toText(value, path(at, name));
}

function toText(value: unknown, at: string): string {
  if (typeof value === "string") return value;
  throw new Error(`${at} is ${typeOf(value)}, not a string; put it in quotes?`);
}

function booleanAt(fields: Fields, name: string, at: string): boolean | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || typeof value === "boolean") return value;
  throw new Error(`${path(at, name)} is ${typeOf(value)}, not true or false`);
}

function path(at: string, name: string): string {
  return at === "" ? name : `${at}.${name}`;
}

function typeOf(value: unknown): string {
  return value === null
    ? "empty"
    : Array.isArray(value)
    ? "a list"
    : typeof value === "object"
    ? "a map"
    : `a ${typeof value}`;
}
