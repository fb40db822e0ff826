/**
 * The scripts in the shells that they are for: bash and zsh on a terminal, with a reader's keys.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type StandInCluster, startStandInCluster, table } from "./stand_in_cluster.ts";

const DEADLINE_MS = 60_000;
const ALL = "\x18\x01";
const TAB = "\t";

/** With a key that prints the line that was written, and one that puts in all that fits. */
const SHELLS = {
  bash: {
    command: "bash --norc --noprofile -i",
    setup: String.raw`
      bind 'set bell-style none'
      bind '"\C-x\C-a": insert-completions'
      show() { printf '\nLINE<%s>\n' "$READLINE_LINE"; READLINE_LINE=; }
      bind -x '"\C-x\C-l": show'
      source <(necoperf-client completion bash)`,
  },
  zsh: {
    command: "zsh -f -i",
    setup: String.raw`
      autoload -Uz compinit && compinit -D -u
      show() { print -r -- $'\n'"LINE<$BUFFER>"; BUFFER= }
      every() { _main_complete; compstate[insert]=all }
      zle -N show; zle -C every complete-word every
      bindkey '^X^L' show; bindkey '^X^A' every
      source <(necoperf-client completion zsh)`,
  },
};

/** Types lines, each ending with a key, and returns what became of them. */
async function type(
  shell: keyof typeof SHELLS,
  cluster: StandInCluster,
  lines: string[],
): Promise<string[]> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-shell-" });
  const { command, setup } = SHELLS[shell];
  await Deno.writeTextFile(join(directory, "setup"), `${setup}\necho REA''DY\n`);
  await Deno.writeTextFile(join(directory, "a file"), "");
  const process = new Deno.Command("script", {
    args: ["--quiet", "--flush", "--return", "--command", command, "/dev/null"],
    // Not its reader's own keys, prompt and history.
    env: { ...cluster.env, PS1: "", HOME: directory, INPUTRC: "/dev/null" },
    cwd: directory,
    stdin: "piped",
    stdout: "piped",
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).spawn();
  const input = process.stdin.getWriter();
  const output = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const send = (text: string) => input.write(new TextEncoder().encode(text));
  let seen = "";
  const waitFor = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const found = pattern.exec(seen);
      if (found) {
        seen = seen.slice(found.index + found[0].length);
        return found;
      }
      const { value, done } = await output.read();
      if (done) throw new Error(`${shell} ended after: ${seen}`);
      seen += value;
    }
  };
  try {
    await send("source ./setup\n");
    await waitFor(/READY/);
    const became: string[] = [];
    for (const line of lines) {
      await send(`${line}\x18\x0c`);
      // zsh puts two spaces after the last of several.
      became.push((await waitFor(/LINE<(.*?)>\r?\n/))[1].replace(/ +$/, " "));
    }
    return became;
  } finally {
    await send("exit\n").catch(() => {});
    await input.close().catch(() => {});
    while (!(await output.read()).done);
    await process.status;
    await Deno.remove(directory, { recursive: true });
  }
}

const ANSWERS = {
  "/api/v1/namespaces": table(["Name", "Status"], ["shop", "Active"], ["shipping", "Active"]),
};

for (const shell of ["bash", "zsh"] as const) {
  Deno.test(`shells: ${shell} completes lines with what the program offers`, async () => {
    await using cluster = await startStandInCluster(ANSWERS);
    const lines = {
      [`necoperf-client fet${TAB}`]: "necoperf-client fetch ",
      [`necoperf-client --format fl${TAB}`]: "necoperf-client --format flamegraph ",
      [`necoperf-client --format=fl${TAB}`]: "necoperf-client --format=flamegraph ",
      [`necoperf-client -n "sho${TAB}`]: 'necoperf-client -n "shop" ',
      [`necoperf-client -n s${ALL}`]: "necoperf-client -n shipping shop ",
      [`necoperf-client --context arn:aws:e${TAB}`]:
        "necoperf-client --context arn:aws:eks:tokyo:1:cluster/prod ",
      [`necoperf-client convert a${TAB}`]: String.raw`necoperf-client convert a\ file `,
      // Its own quotes keep the shell from running it.
      [`necoperf-client --context \\$${TAB}`]: String
        .raw`necoperf-client --context \$\(touch\ run\)\ it `,
      // Nothing fits, and no file does either.
      [`necoperf-client --call-graph a${TAB}`]: "necoperf-client --call-graph a",
    };
    const became = await type(shell, cluster, Object.keys(lines));
    assert.deepEqual(became, Object.values(lines));
  });
}

Deno.test("shells: nothing on the line is run when it is completed", async () => {
  await using cluster = await startStandInCluster(ANSWERS);
  const marker = await Deno.makeTempFile();
  await Deno.remove(marker);
  for (const shell of ["bash", "zsh"] as const) {
    await type(shell, cluster, [`necoperf-client -n $(touch ${marker}) fe${TAB}`]);
    await assert.rejects(Deno.stat(marker), Deno.errors.NotFound);
  }
});

Deno.test("shells: fish completes lines with what the program offers", async () => {
  await using cluster = await startStandInCluster(ANSWERS);
  const [directory] = cluster.env.PATH.split(":");
  await Deno.mkdir(join(directory, "results/monday"), { recursive: true });
  await Deno.writeTextFile(join(directory, "authority.pem"), "");
  const lines = {
    "necoperf-client fet": ["fetch"],
    "necoperf-client --format fl": ["flamegraph"],
    "necoperf-client --format=fl": ["--format=flamegraph"],
    'necoperf-client -n \\"sh': ["shipping", "shop"],
    "necoperf-client --context arn:aws:e": ["arn:aws:eks:tokyo:1:cluster/prod"],
    "necoperf-client -o results/mo": ["results/monday/"],
    "necoperf-client --ca-file=auth": ["--ca-file=authority.pem"],
    "necoperf-client --call-graph a": [],
  };
  const asked = Object.keys(lines).map((line) => `complete -C "${line}"; echo END`).join("\n");
  const { stdout, stderr } = await new Deno.Command("fish", {
    args: ["--no-config", "-c", `necoperf-client completion fish | source\n${asked}`],
    cwd: directory,
    env: { ...cluster.env, HOME: directory },
    stdin: "null",
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  const answers = new TextDecoder().decode(stdout).split("END\n").slice(0, -1)
    .map((text) => text.split("\n").filter((line) => line).map((line) => line.split("\t")[0]));
  assert.deepEqual(answers, Object.values(lines));
});

Deno.test("shells: kubectl's file answers as kubectl 1.26 and later asks", async () => {
  await using cluster = await startStandInCluster(ANSWERS);
  const [directory] = cluster.env.PATH.split(":");
  await Deno.symlink("necoperf-client", join(directory, "kubectl-necoperf"));
  // kubectl of the test cluster is older, so this does what a newer one does.
  const run = async (command: string, ...args: string[]) => {
    const { stdout } = await new Deno.Command(command, { args, env: cluster.env }).output();
    return new TextDecoder().decode(stdout);
  };
  const file = join(directory, "kubectl_complete-necoperf");
  await Deno.writeTextFile(file, await run("kubectl-necoperf", "completion", "kubectl"));
  await Deno.chmod(file, 0o755);
  assert.equal(await run(file, "web-0", "-n", "sho"), "shop\tActive\n:4\n");
  assert.equal(await run(file, "diff", "--format=t"), "table\n:4\n");
});
