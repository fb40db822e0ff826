/**
 * Makes `proto/gen/` out of the `.proto` files: TypeScript types, and the definitions as JSON.
 *
 *     deno run -A scripts/gen.ts [--check]
 *
 * With `--check` nothing is written; exits 1 when `proto/gen/` is not what would be made.
 *
 * @module
 */
import { join } from "node:path";
import protobuf from "protobufjs";

const ROOT = join(import.meta.dirname!, "..");

const GENERATED = join(ROOT, "proto/gen");

const DEFINITIONS = ["necoperf", "cri"];

/** Those of `proto/conversion_options.ts`, so that the types say what the loader makes. */
const TYPE_OPTIONS = ["--longs=Number", "--enums=String", "--defaults", "--oneofs"];

async function generate(outDirectory: string): Promise<void> {
  const args = [
    ...["run", "-A", "--quiet", "--frozen"],
    "npm:@grpc/proto-loader/proto-loader-gen-types",
    ...TYPE_OPTIONS,
    ...["--includeComments", "--grpcLib=@grpc/grpc-js", "--importFileExtension=.ts"],
    `--outDir=${outDirectory}`,
    ...DEFINITIONS.map((name) => `proto/${name}.proto`),
  ];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
  if (!success) throw new Error(`deno ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  for (const name of DEFINITIONS) {
    const definition = await new protobuf.Root().load(join(ROOT, `proto/${name}.proto`));
    const json = JSON.stringify(definition, null, 2);
    await Deno.writeTextFile(join(outDirectory, `${name}.json`), `${json}\n`);
  }
}

/** The files below a directory, by path relative to it. */
async function readTree(directory: string, prefix = ""): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = join(directory, name);
    if (isDirectory) {
      for (const [key, text] of await readTree(path, `${prefix}${name}/`)) files.set(key, text);
    } else files.set(`${prefix}${name}`, await Deno.readTextFile(path));
  }
  return files;
}

async function check(): Promise<boolean> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-gen-" });
  try {
    await generate(directory);
    const [fresh, kept] = [await readTree(directory), await readTree(GENERATED)];
    const stale = [...new Set([...fresh.keys(), ...kept.keys()])]
      .filter((name) => fresh.get(name) !== kept.get(name));
    for (const name of stale) {
      console.error(`proto/gen/${name} is not up to date; run: deno task gen`);
    }
    return stale.length === 0;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

if (Deno.args.includes("--check")) {
  if (!await check()) Deno.exit(1);
} else {
  // Emptied first: types of removed messages would stay.
  await Deno.remove(GENERATED, { recursive: true });
  await generate(GENERATED);
}
