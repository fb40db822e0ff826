import { Buffer } from "node:buffer";
import {
  boolYaml11Tag,
  defineScalarTag,
  FAILSAFE_SCHEMA,
  floatCoreTag,
  intCoreTag,
  load,
  mergeTag,
  NOT_RESOLVED,
  nullCoreTag,
} from "js-yaml";

/**
 * Reads YAML, or JSON, as kubectl does (`sigs.k8s.io/yaml`): the first document, in UTF-8 or, after
 * a byte order mark, in UTF-16; of a key that is there twice the last counts; merge keys, aliases
 * and `!!binary` are followed. Where there is nothing but comments, `null`.
 *
 * Throws an `Error` that says where something is wrong.
 */
export function loadYaml(file: Uint8Array): unknown {
  const document = firstDocument(decode(file));
  if (document === undefined) return null;
  const options = { schema: SCHEMA, json: true };
  try {
    return load(document, options);
  } catch (error) {
    // js-yaml 5.5.0 refuses tabs between the tokens of lists and maps in brackets.
    const spaced = document.replace(/([:,[{]) *\t[ \t]*/g, "$1 ");
    if (spaced === document) throw error;
    return load(spaced, options);
  }
}

/** `!!binary` of YAML 1.1, which is a text here: nothing that is read here takes bytes. */
const binaryText = defineScalarTag("tag:yaml.org,2002:binary", {
  identify: () => false,
  resolve: (source) =>
    /^[A-Za-z0-9+/=\s]*$/.test(source) ? Buffer.from(source, "base64").toString() : NOT_RESOLVED,
});

/** Numbers of Go's YAML, which may have underscores and be binary: no text is read as a number. */
const number = defineScalarTag("tag:yaml.org,2002:float", {
  implicit: true,
  implicitFirstChars: [..."+-.0123456789"],
  identify: () => false,
  resolve: (source, isExplicit, tagName) => {
    const digits = source.replaceAll("_", "");
    if (/^[-+]?0b[01]+$/.test(digits)) return Number(digits.replace(/^[-+]/, ""));
    const integer = intCoreTag.resolve(digits, isExplicit, tagName);
    return integer === NOT_RESOLVED ? floatCoreTag.resolve(digits, isExplicit, tagName) : integer;
  },
});

const SCHEMA = FAILSAFE_SCHEMA.withTags(
  nullCoreTag,
  boolYaml11Tag,
  intCoreTag,
  number,
  mergeTag,
  binaryText,
);

/** Throws an `Error` when it is not text. */
function decode(file: Uint8Array): string {
  const mark = (file[0] << 8) | file[1];
  const encoding = mark === 0xfeff ? "utf-16be" : mark === 0xfffe ? "utf-16le" : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(file);
  } catch (error) {
    throw new Error("it is not text in UTF-8", { cause: error });
  }
}

/** The first document, without the line that starts it; none where there are comments alone. */
function firstDocument(text: string): string | undefined {
  const [head, first] = text.split(/^---(?=\s|$)/m)
    .map((part) => part.split(/^\.\.\.(?=\s|$)/m)[0])
    .map((part) => /^[^\S\n]*[^#%\s]/m.test(part) ? part : undefined);
  return head ?? first;
}
