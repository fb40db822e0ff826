/**
 * Whether a text is a DNS label (RFC 1123), as the names of namespaces and containers are. The API
 * server does not check names in a pod's status, nor in an access review.
 */
export function isDnsLabel(text: string): boolean {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text);
}
