import assert from "node:assert/strict";
import { findProgram } from "../../../../cli/client/cluster/find_program.ts";

/** Finds a program on a machine with this environment and these files that can be run. */
async function find(
  os: typeof Deno.build.os,
  command: string,
  env: Record<string, string>,
  files: string[],
): Promise<string | undefined> {
  const windows = os === "windows";
  return await findProgram(command, windows ? "C:\\Users\\ann\\.kube" : "/home/ann/.kube", {
    os,
    env: (name) => env[name],
    cwd: () => windows ? "D:\\work" : "/work",
    isProgram: (path) => Promise.resolve(files.includes(path)),
  });
}

for (const os of ["linux", "darwin"] as const) {
  Deno.test(`findProgram: a name in the first directory of PATH that has it (${os})`, async () => {
    const env = { PATH: "/a:/b", PATHEXT: ".EXE" };
    assert.equal(await find(os, "aws", env, ["/b/aws", "/a/aws"]), "/a/aws");
    assert.equal(await find(os, "aws", env, ["/b/aws"]), "/b/aws");
    assert.equal(await find(os, "aws", env, ["/a/aws.EXE"]), undefined);
    assert.equal(await find(os, "aws", {}, ["/a/aws"]), undefined);
  });

  Deno.test(`findProgram: a name is not looked for where the client is (${os})`, async () => {
    const files = ["/work/aws", "aws", "./aws", "/home/ann/.kube/aws", "/aws"];
    for (const PATH of ["", ".", ":", ".:/a", "bin"]) {
      assert.equal(await find(os, "aws", { PATH }, files), undefined, PATH);
    }
  });

  Deno.test(`findProgram: a path starts at the kubeconfig (${os})`, async () => {
    const files = ["/home/ann/.kube/bin/aws", "/work/bin/aws", "/opt/aws", "/a/back\\slash"];
    for (const command of ["bin/aws", "./bin/aws", "x/../bin/aws"]) {
      assert.equal(await find(os, command, { PATH: "/work" }, files), files[0], command);
    }
    assert.equal(await find(os, "/opt/aws", {}, files), "/opt/aws");
    assert.equal(await find(os, "back\\slash", { PATH: "/a" }, files), "/a/back\\slash");
  });
}

Deno.test("findProgram: on Windows a program has an ending of PATHEXT", async () => {
  const env = { PATH: "C:\\a;C:\\b" };
  // The `az` of the Azure CLI is for another shell.
  assert.equal(await find("windows", "az", env, ["C:\\a\\az", "C:\\a\\az.CMD"]), "C:\\a\\az.CMD");
  assert.equal(await find("windows", "az", env, ["C:\\a\\az"]), undefined);
  const files = ["C:\\b\\kubelogin.exe", "C:\\b\\kubelogin.EXE"];
  assert.equal(await find("windows", "kubelogin.exe", env, files), files[0]);
  assert.equal(await find("windows", "kubelogin", env, files), files[1]);
  assert.equal(
    await find("windows", "tool", { ...env, PATHEXT: ".PS1;.EXE" }, ["C:\\b\\tool.PS1"]),
    "C:\\b\\tool.PS1",
  );
  assert.equal(
    await find("windows", "tool-1.2", env, ["C:\\b\\tool-1.2.EXE"]),
    "C:\\b\\tool-1.2.EXE",
  );
});

Deno.test("findProgram: on Windows PATH has semicolons, and quotes around them", async () => {
  const PATH = 'C:\\a;"C:\\Program Files;x";\\\\server\\share';
  const files = ["C:\\Program Files;x\\tsh.EXE", "\\\\server\\share\\oci.EXE"];
  assert.equal(await find("windows", "tsh", { PATH }, files), files[0]);
  assert.equal(await find("windows", "oci", { PATH }, files), files[1]);
});

Deno.test("findProgram: on Windows a path starts at the kubeconfig, with either slash", async () => {
  const files = ["C:\\Users\\ann\\.kube\\bin\\aws.EXE", "D:\\tools\\aws.EXE", "D:\\work\\aws.EXE"];
  for (const command of ["bin\\aws", "./bin/aws", "bin/aws.EXE"]) {
    assert.equal(await find("windows", command, {}, files), files[0], command);
  }
  assert.equal(await find("windows", "D:\\tools\\aws", {}, files), files[1]);
  assert.equal(await find("windows", "aws", { PATH: "." }, files), undefined);
});
