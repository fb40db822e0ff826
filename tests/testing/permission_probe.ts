/**
 * Tries what its arguments name, each as `KIND:VALUE`, and prints for each whether its permissions
 * let it. Compiled in the place of a program, it shows what that program could do.
 *
 * @module
 */

const ATTEMPTS: Record<string, (value: string) => unknown> = {
  read: (path) => Deno.readFile(path),
  write: (path) => Deno.writeTextFile(path, ""),
  run: (program) => new Deno.Command(program).output(),
  env: (name) => Deno.env.get(name),
  connect: (port) => Deno.connect({ hostname: "192.0.2.1", port: Number(port) }),
  sys: () => Deno.networkInterfaces(),
};

for (const attempt of Deno.args) {
  const [kind, value] = attempt.split(/:(.*)/);
  let outcome = "allowed";
  try {
    await ATTEMPTS[kind](value);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) outcome = "refused";
  }
  console.log(`${attempt} ${outcome}`);
}
