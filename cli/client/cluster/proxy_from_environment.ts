import { isIP } from "node:net";

/**
 * Finds the proxy for a URL in the environment, as Go's `http.ProxyFromEnvironment` does, which
 * kubectl uses: `HTTPS_PROXY` or `HTTP_PROXY` by the URL's scheme, or their lower-case forms, unless
 * `NO_PROXY` names the host. This machine is never reached by a proxy.
 */
export function proxyFromEnvironment(
  url: URL,
  env: (name: string) => string | undefined,
): string | undefined {
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = env(name) || env(name.toLowerCase());
  if (!proxy) return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  if (isThisMachine(host)) return undefined;
  const exceptions = (env("NO_PROXY") || env("no_proxy") || "").split(",");
  if (exceptions.some((each) => isExcepted(each.trim().toLowerCase(), host, port))) {
    return undefined;
  }
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

function isThisMachine(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host);
}

/** One entry of `NO_PROXY`: `*`, an address, a range of addresses, or a domain, also with a port. */
function isExcepted(entry: string, host: string, port: string): boolean {
  if (entry === "") return false;
  if (entry === "*") return true;
  const range = parseRange(entry);
  if (range) {
    const address = parseAddress(host);
    return address !== undefined && address.length === range.address.length &&
      address.slice(0, range.bits) === range.address.slice(0, range.bits);
  }
  const [, name, itsPort] = /^(\[.*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (name === undefined || (itsPort !== undefined && itsPort !== port)) return false;
  const bare = name.replace(/^\[|\]$/g, "");
  if (isIP(bare)) return parseAddress(bare) === parseAddress(host);
  // A leading dot or `*.` means subdomains only.
  const domain = bare.replace(/^\*?\./, "");
  return (domain === bare && host === domain) || host.endsWith(`.${domain}`);
}

function parseRange(entry: string): { address: string; bits: number } | undefined {
  const [, text, bits] = /^(.+)\/(\d{1,3})$/.exec(entry) ?? [];
  const address = text && parseAddress(text);
  return address && Number(bits) <= address.length ? { address, bits: Number(bits) } : undefined;
}

/** The bits of an IP address, as text. */
function parseAddress(text: string): string | undefined {
  if (isIP(text) === 4) {
    return text.split(".").map((part) => Number(part).toString(2).padStart(8, "0")).join("");
  }
  if (isIP(text) !== 6) return undefined;
  // The URL parser writes an IPv6 address in its one canonical form.
  const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const [start, end] = canonical.split("::");
  const before = start ? start.split(":") : [];
  const after = end ? end.split(":") : [];
  const zeros = canonical.includes("::") ? 8 - before.length - after.length : 0;
  return [...before, ...Array<string>(zeros).fill("0"), ...after]
    .map((group) => parseInt(group, 16).toString(2).padStart(16, "0")).join("");
}
