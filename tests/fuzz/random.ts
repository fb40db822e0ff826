/** Random values for fuzz tests, the same for the same seed. */
export interface Random {
  /** A whole number from 0 to `below` - 1. */
  integer(below: number): number;
  pick<T>(choices: readonly T[]): T;
  bytes(maxLength: number): Uint8Array;
  /** Text of any code units: broken surrogates, controls, separators. */
  text(maxLength: number): string;
  /** `text` with some of its characters removed, repeated, replaced or moved. */
  mutate(text: string): string;
}

/** How many cases a fuzz test tries. `FUZZ_CASES` asks for more of them in a longer run. */
export const CASES = Number(Deno.env.get("FUZZ_CASES") ?? 2000);

/** The seed: `FUZZ_SEED`, to see a failure again, or one that is the same in every run. */
export const SEED = Number(Deno.env.get("FUZZ_SEED") ?? 20261123);

/** What is of meaning somewhere: separators, bounds, names that objects have anyway. */
const TELLING = [
  ..."/:.,;-_ \t\n\r\0\\\"'`$(){}[]<>|&*?!#%=+~^@",
  ...["..", "//", "://", "--", "\u2028", "\ud800", "\u202e", "0", "-1", "1e309", "NaN"],
  ...["__proto__", "constructor", "toString", "null", "true", "18446744073709551616"],
];

/** Makes a generator. The algorithm is Marsaglia's xorshift32. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const integer = (below: number) => next() % below;
  const pick = <T>(choices: readonly T[]) => choices[integer(choices.length)];
  const piece = () =>
    integer(2) ? pick(TELLING) : String.fromCharCode(integer(integer(4) ? 128 : 65536));
  const times = (max: number, make: () => string) =>
    Array.from({ length: integer(max + 1) }, make).join("");
  return {
    integer,
    pick,
    bytes: (maxLength) => Uint8Array.from({ length: integer(maxLength + 1) }, () => integer(256)),
    text: (maxLength) => times(maxLength, piece),
    mutate(text) {
      for (let count = 1 + integer(3); count > 0; count--) {
        const at = integer(text.length + 1);
        const end = at + integer(4);
        const inserted = pick([
          "",
          piece(),
          text.slice(at, end).repeat(integer(50)),
          times(4, piece),
        ]);
        text = text.slice(0, at) + inserted + text.slice(end);
      }
      return text;
    },
  };
}
