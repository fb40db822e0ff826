import { isIP } from "node:net";

/**
 * Finds the proxy for a URL in the environment, as Go's `http.ProxyFromEnvironment` does, which
 * kubectl uses: `HTTPS_PROXY` or `HTTP_PROXY` by the URL's scheme, or their lower-case forms,
 * unless `NO_PROXY` names the host. This machine is never reached by a proxy.
 */
export function proxyFromEnvironment(
  url: URL,
  env: (name: string) => string | undefined,
): string | undefined {
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = parseProxy(env(name) || env(name.toLowerCase()) || "");
  if (!proxy) return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  if (isThisMachine(host)) return undefined;
  const exceptions = (env("NO_PROXY") || env("no_proxy") || "").split(",");
  if (exceptions.some((each) => isExcepted(each.trim().toLowerCase(), host, port))) {
    return undefined;
  }
  return proxy;
}

/**
 * Reads the URL of a proxy, of HTTP, HTTPS or SOCKS5, without a path: a proxy without a scheme, or
 * with one that Go does not know, is one of HTTP. Undefined where it is not a URL, which Go takes
 * for none.
 */
export function parseProxy(text: string): string | undefined {
  if (/\s/.test(text)) return undefined;
  const [, scheme = "http", rest] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/i.exec(text) ?? [];
  const known = ["https", "socks5", "socks5h"].includes(scheme.toLowerCase());
  const url = URL.parse(`http://${rest}`);
  if (!url) return undefined;
  const { username, password } = url;
  const user = username || password ? `${username}${password && `:${password}`}@` : "";
  // The URL parser leaves out the port that is HTTP's own.
  const port = url.port || (/:80(?:\/|$)/.test(rest) ? "80" : "");
  return `${known ? scheme.toLowerCase() : "http"}://${user}${url.hostname}${port && `:${port}`}`;
}

function isThisMachine(host: string): boolean {
  const address = parseAddress(host);
  return host === "localhost" || address === LOOPBACK_IPV6 ||
    (address?.length === 32 && address.startsWith(LOOPBACK_IPV4));
}

/**
 * One entry of `NO_PROXY`: `*`, an address, a range of addresses, or a domain, also with a port.
 */
function isExcepted(entry: string, host: string, port: string): boolean {
  if (entry === "") return false;
  if (entry === "*") return true;
  const address = parseAddress(host);
  const range = parseRange(entry);
  if (range) {
    return address !== undefined && address.length === range.address.length &&
      address.slice(0, range.bits) === range.address.slice(0, range.bits);
  }
  const [, inBrackets, bare, itsPort] = /^(?:\[(.*)\]|([^:]*)):([^:\]]*)$/.exec(entry) ?? [];
  const name = inBrackets ?? bare ?? entry;
  if (name === "" || (itsPort && itsPort !== port)) return false;
  const itsAddress = parseAddress(name);
  if (itsAddress !== undefined) return itsAddress === address;
  // A leading dot or `*.` means subdomains only.
  const domain = name.replace(/^\*?\./, "");
  // The URL has the form of the name that DNS takes.
  const ascii = /[^\x21-\x7e]/.test(domain)
    ? URL.parse(`http://${domain}`)?.hostname ?? domain
    : domain;
  return (domain === name && host === ascii) || host.endsWith(`.${ascii}`);
}

function parseRange(entry: string): { address: string; bits: number } | undefined {
  const [, text, bits] = /^(.+)\/(\d{1,3})$/.exec(entry) ?? [];
  const address = text && parseAddress(text);
  if (!address) return undefined;
  // Of an IPv4 address in IPv6's form the first 96 bits are those that say so.
  const own = Number(bits) - (address.length === 32 && text.includes(":") ? 96 : 0);
  return own >= 0 && own <= address.length ? { address, bits: own } : undefined;
}

/** The bits of an IP address, as text; an IPv4 address has 32, also in IPv6's form. */
function parseAddress(text: string): string | undefined {
  if (isIP(text) === 4) {
    return text.split(".").map((part) => Number(part).toString(2).padStart(8, "0")).join("");
  }
  // The URL parser writes an IPv6 address in its one canonical form, and takes none with a zone.
  const canonical = isIP(text) === 6
    ? URL.parse(`http://[${text}]`)?.hostname.slice(1, -1)
    : undefined;
  if (canonical === undefined) return undefined;
  const [start, end] = canonical.split("::");
  const before = start ? start.split(":") : [];
  const after = end ? end.split(":") : [];
  const zeros = canonical.includes("::") ? 8 - before.length - after.length : 0;
  const bits = [...before, ...Array<string>(zeros).fill("0"), ...after]
    .map((group) => parseInt(group, 16).toString(2).padStart(16, "0")).join("");
  return bits.startsWith(MAPPED_IPV4) ? bits.slice(MAPPED_IPV4.length) : bits;
}

const LOOPBACK_IPV4 = "01111111";
const LOOPBACK_IPV6 = "1".padStart(128, "0");
/** What addresses of IPv4 start with in IPv6's form. */
const MAPPED_IPV4 = "1".repeat(16).padStart(96, "0");
