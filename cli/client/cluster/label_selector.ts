/** The API's `LabelSelector`. */
export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: LabelRequirement[];
}

/** The API's `LabelSelectorRequirement`. */
interface LabelRequirement {
  key: string;
  operator: string;
  values?: string[];
}

/**
 * Writes a selector as the API takes it in a query, in the form and the order that Kubernetes' own
 * programs give it (`LabelSelectorAsSelector` and `Selector.String` of `k8s.io/apimachinery`). One
 * without any requirement is the empty text, which selects everything.
 *
 * Throws a `RangeError` for an operator that Kubernetes does not have.
 */
export function formatLabelSelector(selector: LabelSelector): string {
  const requirements = [
    ...Object.entries(selector.matchLabels ?? {})
      .map(([key, value]) => ({ key, text: `${key}=${value}` })),
    ...(selector.matchExpressions ?? [])
      .map((requirement) => ({ key: requirement.key, text: formatRequirement(requirement) })),
  ];
  return requirements.sort((one, other) => one.key < other.key ? -1 : +(one.key > other.key))
    .map(({ text }) => text).join(",");
}

function formatRequirement({ key, operator, values = [] }: LabelRequirement): string {
  switch (operator) {
    case "In":
      return `${key} in (${[...values].sort().join()})`;
    case "NotIn":
      return `${key} notin (${[...values].sort().join()})`;
    case "Exists":
      return key;
    case "DoesNotExist":
      return `!${key}`;
    default:
      throw new RangeError(`'${operator}' is not an operator of label selectors`);
  }
}
