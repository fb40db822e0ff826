/**
 * Writes `docs/reference/`: what both programs say of their flags, and the protocol out of its
 * definition; and the help texts that the client has ready:
 *
 *     deno run -A scripts/reference.ts [--check]
 *
 * With `--check` nothing is written; exits 1 when a file is not what would be written.
 *
 * @module
 */
import { join } from "node:path";
import protobuf from "protobufjs";
import { defineCommands, parseArguments } from "../cli/arguments/arguments.ts";
import { permissionFlags } from "../permissions.ts";
import { VERSION } from "../version.ts";

const ROOT = join(import.meta.dirname!, "..");

const NOTE = "<!-- Made by `deno task gen`; what it says stands in the code. -->";

/** What `--help` says of each of the client's commands. */
const CLIENT_HELP = Object.fromEntries(
  Object.keys(defineCommands(VERSION)).map((name) => {
    const invocation = parseArguments([...(name === "profile" ? [] : [name]), "--help"], VERSION);
    if (invocation.kind !== "print") throw new Error(`${name} --help is not help`);
    return [name, invocation.text.trimEnd()];
  }),
);

/** What `--help` says of each of the daemon's commands. */
async function daemonHelp(command: string[]): Promise<string> {
  const flags = permissionFlags("daemon", { embedded: false });
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--frozen", ...flags, "daemon/main.ts", ...command, "--help"],
    cwd: ROOT,
    // Without a terminal; and whatever the caller's own environment is.
    clearEnv: true,
    env: { HOME: Deno.env.get("HOME") ?? "/", PATH: Deno.env.get("PATH") ?? "" },
  }).output();
  if (success) return new TextDecoder().decode(stdout).trimEnd();
  throw new Error(
    `daemon/main.ts ${command.join(" ")} --help: ${new TextDecoder().decode(stderr)}`,
  );
}

/** A page of help texts, each after the words that ask for it. */
function programPage(program: string, helps: Record<string, string>): string {
  const sections = [`# ${program}`, NOTE];
  for (const [command, help] of Object.entries(helps)) {
    if (command !== "") sections.push(`## ${program} ${command}`);
    sections.push("```text\n" + help + "\n```");
  }
  return sections.join("\n\n") + "\n";
}

/** The protocol's services, messages and enumerations, in the order and the words of the file. */
async function protocolPage(): Promise<string> {
  const source = await Deno.readTextFile(join(ROOT, "proto/necoperf.proto"));
  const { root } = protobuf.parse(source, { alternateCommentMode: true, keepCase: true });
  const sections = [
    "# The protocol",
    NOTE,
    "Package `necoperf`, gRPC, port 6543. The definition is " +
    "[proto/necoperf.proto](../../proto/necoperf.proto); the daemon also serves it by reflection. " +
    "A call carries a bearer token in the metadata `authorization`.",
  ];
  const { nestedArray: types } = root.lookup("necoperf") as protobuf.Namespace;
  for (const type of types) sections.push(...describe(type));
  return sections.join("\n\n") + "\n";
}

function describe(type: protobuf.ReflectionObject, path = ""): string[] {
  const name = path + type.name;
  const sections = [comment(type)];
  if (type instanceof protobuf.Service) {
    sections.unshift(`## service ${name}`);
    for (const method of type.methodsArray) {
      const stream = method.responseStream ? "stream " : "";
      sections.push(
        `### ${method.name}`,
        `\`rpc ${method.name}(${method.requestType}) returns (${stream}${method.responseType})\``,
        comment(method),
      );
    }
  } else if (type instanceof protobuf.Enum) {
    sections.unshift(`## enum ${name}`);
    const rows = Object.entries(type.values)
      .map(([value, number]) => [`\`${value}\``, `${number}`, type.comments[value] ?? ""]);
    sections.push(table(["value", "number", ""], rows));
  } else if (type instanceof protobuf.Type) {
    sections.unshift(`## message ${name}`);
    const rows = type.fieldsArray.map((field) => [
      `\`${field.name}\``,
      `${field.id}`,
      `\`${field.repeated ? "repeated " : ""}${field.type}\``,
      field.comment ?? "",
    ]);
    if (rows.length > 0) sections.push(table(["field", "number", "type", ""], rows));
    for (const nested of type.nestedArray) sections.push(...describe(nested, `${name}.`));
  }
  return sections.filter((section) => section !== "");
}

function comment(object: protobuf.ReflectionObject): string {
  return object.comment ?? "";
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => oneLine(cell)).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").trim();
}

/** As `deno fmt` has it, so that the check of the format has nothing to say. */
async function format(text: string, extension: string): Promise<string> {
  const fmt = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", extension, "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = fmt.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { success, stdout } = await fmt.output();
  if (!success) throw new Error("deno fmt failed");
  return new TextDecoder().decode(stdout);
}

const { profile, ...others } = CLIENT_HELP;
const helpLines = Object.entries(CLIENT_HELP).map(([name, text]) => [name, text.split("\n")]);
const files = {
  "cli/arguments/help.json": JSON.stringify(Object.fromEntries(helpLines)),
  "docs/reference/necoperf-client.md": programPage("necoperf-client", { "": profile, ...others }),
  "docs/reference/necoperf-daemon.md": programPage("necoperf-daemon", {
    "": await daemonHelp([]),
    start: await daemonHelp(["start"]),
  }),
  "docs/reference/protocol.md": await protocolPage(),
};
let stale = false;
for (const [name, content] of Object.entries(files)) {
  const path = join(ROOT, name);
  const text = await format(content, name.split(".").at(-1)!);
  if (!Deno.args.includes("--check")) {
    await Deno.writeTextFile(path, text);
  } else if (text !== await Deno.readTextFile(path).catch(() => "")) {
    console.error(`${name} is not up to date; run: deno task gen`);
    stale = true;
  }
}
if (stale) Deno.exit(1);
