/** How many codes of each length HPACK's Huffman code has (RFC 7541, appendix B), with EOS. */
const CODES_PER_LENGTH: [lengthBits: number, codes: number][] = [
  ...[[5, 10], [6, 26], [7, 32], [8, 6], [10, 5], [11, 3], [12, 2], [13, 6], [14, 2], [15, 3]],
  ...[[19, 3], [20, 8], [21, 13], [22, 26], [23, 29], [24, 12], [25, 4], [26, 15], [27, 19]],
  ...[[28, 29], [30, 4]],
] as [number, number][];

/** A leaf of the tree. The last code, EOS, may not be in a string. */
const SYMBOL = -1;
const EOS = -2;

/** Padding is the start of EOS, shorter than a byte. */
const MAX_PADDING_BITS = 7;

const { nextState, symbols, isPadding } = buildTables();

/**
 * How many bytes a string has that is Huffman-coded as HPACK does it. Throws a `RangeError` for
 * bytes that no encoder makes.
 *
 * The code is canonical: its tree, and so the length of what it stands for, follows from the number
 * of codes of each length. Which code stands for which byte does not matter here.
 */
export function huffmanDecodedLength(bytes: Uint8Array): number {
  let state = 0;
  let length = 0;
  for (let at = 0; at < bytes.length * 2; at++) {
    const byte = bytes[at >> 1];
    const step = state * 16 + (at % 2 === 0 ? byte >> 4 : byte & 15);
    length += symbols[step];
    state = nextState[step];
    if (state < 0) throw new RangeError("a Huffman-coded string contains EOS");
  }
  if (!isPadding[state]) throw new RangeError("a Huffman-coded string is not padded with ones");
  return length;
}

/** Tables with a row for each inner node of the tree, and a column for each value of four bits. */
function buildTables() {
  const tree: [number, number][] = [[0, 0]];
  let code = 0;
  let lengthBefore = 0;
  for (const [length, count] of CODES_PER_LENGTH) {
    code <<= length - lengthBefore;
    lengthBefore = length;
    for (let each = 0; each < count; each++, code++) addLeaf(tree, code, length);
  }

  const nextState = new Int16Array(tree.length * 16);
  const symbols = new Uint8Array(tree.length * 16);
  for (let from = 0; from < tree.length; from++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = from;
      for (let bit = 3; bit >= 0 && node >= 0; bit--) {
        node = tree[node][nibble >> bit & 1];
        if (node === SYMBOL) {
          symbols[from * 16 + nibble]++;
          node = 0;
        }
      }
      nextState[from * 16 + nibble] = node;
    }
  }

  const isPadding = new Uint8Array(tree.length);
  for (let node = 0, bits = 0; bits <= MAX_PADDING_BITS; node = tree[node][1], bits++) {
    isPadding[node] = 1;
  }
  return { nextState, symbols, isPadding };
}

function addLeaf(tree: [number, number][], code: number, length: number): void {
  let node = 0;
  for (let bit = length - 1; bit > 0; bit--) {
    const side = code >> bit & 1;
    if (tree[node][side] === 0) tree[node][side] = tree.push([0, 0]) - 1;
    node = tree[node][side];
  }
  const isLast = code === 2 ** length - 1;
  tree[node][code & 1] = isLast ? EOS : SYMBOL;
}
