import assert from "node:assert/strict";
import { huffmanDecodedLength } from "../../../../daemon/service/http2/huffman_length.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));

/** RFC 7541, appendices C.4 and C.6. */
const EXAMPLES: [hex: string, text: string][] = [
  ["f1e3 c2e5 f23a 6ba0 ab90 f4ff", "www.example.com"],
  ["a8eb 1064 9cbf", "no-cache"],
  ["25a8 49e9 5ba9 7d7f", "custom-key"],
  ["25a8 49e9 5bb8 e8b4 bf", "custom-value"],
  ["6402", "302"],
  ["aec3 771a 4b", "private"],
  ["d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff", "Mon, 21 Oct 2013 20:13:21 GMT"],
  ["9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3", "https://www.example.com"],
  ["640e ff", "307"],
  ["9bd9 ab", "gzip"],
  [
    "94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed " +
    "4ee5 b106 3d50 07",
    "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
  ],
];

Deno.test("huffmanDecodedLength: counts the bytes of RFC 7541's examples", () => {
  for (const [hex, text] of EXAMPLES) {
    assert.equal(huffmanDecodedLength(bytes(hex)), text.length, text);
  }
  assert.equal(huffmanDecodedLength(bytes("")), 0);
});

Deno.test("huffmanDecodedLength: refuses EOS and wrong padding", () => {
  // The longest codes are of 30 bits: EOS is 30 ones, the code of 22 is 28 ones and 10.
  assert.throws(() => huffmanDecodedLength(bytes("ffff ffff")), RangeError);
  assert.equal(huffmanDecodedLength(bytes("ffff fffb")), 1);
  // A zero is five zeros: the rest has to be ones, and less than a byte.
  assert.equal(huffmanDecodedLength(bytes("07")), 1);
  assert.throws(() => huffmanDecodedLength(bytes("00")), RangeError);
  assert.throws(() => huffmanDecodedLength(bytes("07ff")), RangeError);
});
