/**
 * Says whether a text may be the name of a Kubernetes object. Names go into the API server's paths:
 * `..` or a slash would ask for something else there.
 */
export function isObjectName(text: string): boolean {
  return /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text) && text.length <= 253;
}
