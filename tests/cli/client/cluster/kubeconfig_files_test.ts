import assert from "node:assert/strict";
import { findKubeconfigFiles } from "../../../../cli/client/cluster/kubeconfig_files.ts";

/** Finds the files on a machine with this environment and these files. */
function find(os: typeof Deno.build.os, env: Record<string, string>, files: string[]): string[] {
  return findKubeconfigFiles(undefined, {
    os,
    env: (name) => env[name],
    exists: (path) => files.includes(path),
  });
}

const WINDOWS = {
  HOME: "C:\\cygwin\\ann",
  HOMEDRIVE: "H:",
  HOMEPATH: "\\ann",
  USERPROFILE: "C:\\Users\\ann",
};
// The order of HomeDir in k8s.io/client-go/util/homedir.
const PLACES = [
  "C:\\cygwin\\ann\\.kube\\config",
  "H:\\ann\\.kube\\config",
  "C:\\Users\\ann\\.kube\\config",
];

Deno.test("findKubeconfigFiles: on Windows the first home directory that has the file", () => {
  for (const at of PLACES.keys()) {
    assert.deepEqual(find("windows", WINDOWS, PLACES.slice(at)), [PLACES[at]]);
  }
  assert.deepEqual(find("windows", WINDOWS, []), []);
  const { HOMEDRIVE: _, ...noDrive } = WINDOWS;
  assert.deepEqual(find("windows", noDrive, PLACES.slice(1)), [PLACES[2]]);
});

Deno.test("findKubeconfigFiles: elsewhere HOME alone", () => {
  const env = { HOME: "/Users/ann", USERPROFILE: "/other" };
  const files = ["/Users/ann/.kube/config", "/other/.kube/config"];
  assert.deepEqual(find("darwin", env, files), [files[0]]);
  assert.deepEqual(find("linux", env, files.slice(1)), []);
});

Deno.test("findKubeconfigFiles: KUBECONFIG is a list with the system's separator", () => {
  const windows = ["C:\\a\\config", "D:\\b"];
  assert.deepEqual(
    find("windows", { ...WINDOWS, KUBECONFIG: "C:\\a\\config;D:\\b" }, windows.concat(PLACES)),
    windows,
  );
  assert.deepEqual(find("darwin", { KUBECONFIG: "/a:/b:/missing" }, ["/a", "/b"]), ["/a", "/b"]);
});
