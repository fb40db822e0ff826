/**
 * Prints the Krew manifest of a release, `deploy/krew/necoperf.yaml` with what is filled in:
 *
 *     deno run --allow-read scripts/krew.ts DIRECTORY BASE_URI
 *
 * The directory has the archives by the names that the manifest gives them, with one file each,
 * `kubectl-necoperf`: the client, compiled with `--target` for that system.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { VERSION } from "../version.ts";

const MANIFEST = join(import.meta.dirname!, "../deploy/krew/necoperf.yaml");

/** Fills in the manifest. Rejects when an archive is missing. */
export async function krewManifest(directory: string, baseUri: string): Promise<string> {
  let text = await Deno.readTextFile(MANIFEST);
  for (const [, os, arch] of text.matchAll(/kubectl-necoperf-(\w+)-(\w+)\.tar\.gz/g)) {
    const archive = await Deno.readFile(join(directory, `kubectl-necoperf-${os}-${arch}.tar.gz`));
    const sum = createHash("sha256").update(archive).digest("hex");
    text = text.replace(`SHA256_${os}_${arch}`.toUpperCase(), sum);
  }
  const filled = text.replace("version: VERSION", `version: v${VERSION}`)
    .replaceAll("BASE_URI", baseUri.replace(/\/$/, ""));
  // The file's own comments are not for those who install.
  return filled.replace(/^(#.*\n)+/, "");
}

if (import.meta.main) {
  const [directory, baseUri] = Deno.args;
  if (baseUri === undefined) {
    console.error("usage: deno run --allow-read scripts/krew.ts DIRECTORY BASE_URI");
    Deno.exit(2);
  }
  console.log((await krewManifest(directory, baseUri)).trimEnd());
}
