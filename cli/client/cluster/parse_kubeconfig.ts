import { Buffer } from "node:buffer";
import {
  boolYaml11Tag,
  defineScalarTag,
  FAILSAFE_SCHEMA,
  floatCoreTag,
  intCoreTag,
  load,
  mergeTag,
  NOT_RESOLVED,
  nullCoreTag,
} from "js-yaml";

/**
 * A kubeconfig file, as far as this program reads it: `clientcmd/api/v1` of `k8s.io/client-go`. Each
 * field has the type that it says; what a file has otherwise is refused.
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
 * Reads a kubeconfig file as kubectl does (`sigs.k8s.io/yaml`, then `encoding/json`): the first
 * document, with or without a byte order mark; of a key that is there twice the last counts; merge
 * keys, aliases and `!!binary` are followed. An empty file is an empty configuration.
 *
 * Throws an `Error` that says where something has another type than it must have.
 */
export function parseKubeconfig(text: string): Kubeconfig {
  const document = firstDocument(text);
  const config = document === undefined ? null : load(document, { schema: SCHEMA, json: true });
  const root = mapAt(config ?? {}, "");
  return {
    clusters: namedAt(root, "clusters", "cluster", toCluster),
    users: namedAt(root, "users", "user", toUser),
    contexts: namedAt(root, "contexts", "context", toContext),
    currentContext: textAt(root, "current-context", "") ?? "",
  };
}

/** `!!binary` of YAML 1.1, which is a text here: nothing in a kubeconfig file takes bytes. */
const binaryText = defineScalarTag("tag:yaml.org,2002:binary", {
  identify: () => false,
  resolve: (source) =>
    /^[A-Za-z0-9+/=\s]*$/.test(source) ? Buffer.from(source, "base64").toString() : NOT_RESOLVED,
});

const SCHEMA = FAILSAFE_SCHEMA.withTags(
  nullCoreTag,
  boolYaml11Tag,
  intCoreTag,
  floatCoreTag,
  mergeTag,
  binaryText,
);

/** The first document that is more than comments and directives. */
function firstDocument(text: string): string | undefined {
  return text.replace(/^\ufeff/, "").split(/^---(?=\s|$)/m)
    .find((part) => /^[^\S\n]*[^#%\s]/m.test(part));
}

type Fields = Record<string, unknown>;

function toCluster(fields: Fields, at: string): KubeconfigCluster {
  return {
    ...textsAt(
      fields,
      at,
      "server",
      "certificate-authority",
      "certificate-authority-data",
      "tls-server-name",
      "proxy-url",
    ),
    "insecure-skip-tls-verify": booleanAt(fields, "insecure-skip-tls-verify", at),
    extensions: listAt(fields, "extensions", at).map((each, index) => {
      const where = `${at}.extensions[${index}]`;
      const extension = mapAt(each, where);
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
      "client-certificate-data",
      "client-key",
      "client-key-data",
      "token",
      "tokenFile",
      "username",
      "password",
      "as",
      "as-uid",
    ),
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
      const variable = mapAt(each, where);
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
  return listAt(root, list, "").map((each, index) => {
    const at = `${list}[${index}]`;
    const entry = mapAt(each, at);
    const value = convert(mapAt(entry[key] ?? {}, `${at}.${key}`), `${at}.${key}`);
    return { name: textAt(entry, "name", at) ?? "", [key]: value } as Named<Key, Value>;
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
    toText(value, `${path(at, name)}[${index}]`)
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
