/** A right at the API server. */
interface Right {
  verb: string;
  /** Default: the core group. */
  apiGroup?: string;
  /** The plural, and the subresource if there is one. */
  resource: string;
  /** The one object that is enough. */
  name?: string;
}

/**
 * Writes the rule of a Role that gives a right, as a line of YAML. A port-forward takes two verbs:
 * which of them is asked for depends on the API server's release.
 */
export function formatRule({ verb, apiGroup = "", resource, name }: Right): string {
  const verbs = resource === PORT_FORWARD ? "get, create" : verb;
  const names = name === undefined ? "" : `resourceNames: [${name}], `;
  return `{apiGroups: [${apiGroup || '""'}], resources: [${resource}], ${names}verbs: [${verbs}]}`;
}

/** The resource that stands for connections to a pod's ports. */
export const PORT_FORWARD = "pods/portforward";
