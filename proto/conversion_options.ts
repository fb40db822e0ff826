/** How messages look in TypeScript. `deno task gen` makes the types with the same options. */
export const CONVERSION_OPTIONS = { longs: Number, enums: String, defaults: true, oneofs: true };
