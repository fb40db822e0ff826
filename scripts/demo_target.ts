/**
 * A service whose users find it slow: it looks for a few words in a large text, again and again.
 *
 * @module
 */
const TEXT = Array.from({ length: 200_000 }, (_, index) => 97 + (index * 7919) % 26);

function countMatches(text: number[], word: number[]): number {
  let matches = 0;
  for (let at = 0; at <= text.length - word.length; at++) {
    let length = 0;
    while (length < word.length && text[at + length] === word[length]) length++;
    if (length === word.length) matches++;
  }
  return matches;
}

function handleRequest(words: string[]): number {
  let matches = 0;
  for (const word of words) {
    matches += countMatches(TEXT, [...word].map((letter) => letter.charCodeAt(0)));
  }
  return matches;
}

for (;;) handleRequest(["perf", "profile", "sample"]);
