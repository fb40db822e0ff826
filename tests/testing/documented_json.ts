import { join } from "node:path";

const PAGE = join(import.meta.dirname!, "../../docs/reference/json.md");

/** The example below a heading of `docs/reference/json.md`. */
export function documentedJson(heading: string): Record<string, unknown> {
  const text = Deno.readTextFileSync(PAGE);
  const section = text.slice(text.indexOf(`\n## ${heading}\n`));
  return JSON.parse(/```json\n(.*?)```/s.exec(section)![1]);
}

/** The names of all fields, those of objects within as `a.b`, and of those in lists as `a[].b`. */
export function fieldsOf(value: unknown, prefix = ""): string[] {
  if (Array.isArray(value)) {
    return [...new Set(value.flatMap((item) => fieldsOf(item, `${prefix}[]`)))].sort();
  }
  if (typeof value !== "object" || value === null) return [prefix];
  return Object.entries(value)
    .flatMap(([name, inner]) => fieldsOf(inner, prefix ? `${prefix}.${name}` : name)).sort();
}
