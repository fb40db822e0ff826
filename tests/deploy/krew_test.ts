/** The manifest by the rules that Krew itself checks, and those of its index. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { load } from "js-yaml";
import { krewManifest } from "../../scripts/krew.ts";

interface Platform {
  selector: { matchLabels: { os: string; arch: string } };
  uri: string;
  sha256: string;
  bin: string;
}

Deno.test("krew: a release's manifest is one that Krew installs", async () => {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-krew-" });
  try {
    const sums = new Map<string, string>();
    for (const system of ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"]) {
      const name = `kubectl-necoperf-${system}.tar.gz`;
      await Deno.writeTextFile(join(directory, name), system);
      sums.set(name, createHash("sha256").update(system).digest("hex"));
    }
    const text = await krewManifest(directory, "https://example.com/v1/");
    // deno-lint-ignore no-explicit-any -- what it is is what is tested
    const manifest = load(text) as any;
    assert.equal(manifest.apiVersion, "krew.googlecontainertools.github.com/v1alpha2");
    assert.equal(manifest.kind, "Plugin");
    assert.equal(manifest.metadata.name, "necoperf");
    assert.match(manifest.spec.version, /^v\d+\.\d+\.\d+(-[\w.]+)?$/);
    assert.match(manifest.spec.shortDescription, /^[^\r\n]+[^.\r\n]$/);
    const platforms = manifest.spec.platforms as Platform[];
    assert.equal(platforms.length, sums.size);
    for (const { selector, uri, sha256, bin } of platforms) {
      const { os, arch, ...others } = selector.matchLabels;
      assert.deepEqual(others, {});
      const name = `kubectl-necoperf-${os}-${arch}.tar.gz`;
      assert.equal(uri, `https://example.com/v1/${name}`);
      assert.equal(sha256, sums.get(name));
      assert.equal(bin, "kubectl-necoperf");
    }
    assert.doesNotMatch(text, /VERSION|BASE_URI|SHA256_/);

    await Deno.remove(join(directory, "kubectl-necoperf-linux-arm64.tar.gz"));
    await assert.rejects(krewManifest(directory, "https://example.com"), Deno.errors.NotFound);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
