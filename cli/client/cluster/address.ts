/** Joins a host and a port; an IPv6 address goes in brackets. */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The host of `host:port`, without the brackets of an IPv6 address, and the port. */
export function splitAddress(address: string): { host: string; port: number } {
  const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? [];
  if (host === undefined) throw new Error(`not host:port: ${address}`);
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}
