/**
 * Writes `docs/reference/`: what both programs say of their flags, and the protocol out of its
 * definition:
 *
 *     deno run -A scripts/reference.ts [--check]
 *
 * With `--check` nothing is written; exits 1 when a page is not what would be written.
 *
 * @module
 */
import { join } from "node:path";
import protobuf from "protobufjs";
import { defineCommands } from "../cli/arguments/arguments.ts";
import { permissionFlags, type Program } from "../permissions.ts";
import { VERSION } from "../version.ts";

const ROOT = join(import.meta.dirname!, "..");
const PAGES = join(ROOT, "docs/reference");

const NOTE = "<!-- Made by `deno task gen`; what it says stands in the code. -->";

/** The commands of each program that have a help text of their own. */
const COMMANDS: Record<Program, string[][]> = {
  client: Object.keys(defineCommands(VERSION)).map((name) => name === "profile" ? [] : [name]),
  daemon: [[], ["start"]],
};

async function help(program: Program, command: string[]): Promise<string> {
  const main = { client: "cli/main.ts", daemon: "daemon/main.ts" }[program];
  const flags = permissionFlags(program, { embedded: false });
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--frozen", ...flags, main, ...command, "--help"],
    cwd: ROOT,
    // Without a terminal; and whatever the caller's own environment is.
    clearEnv: true,
    env: { HOME: Deno.env.get("HOME") ?? "/", PATH: Deno.env.get("PATH") ?? "" },
  }).output();
  if (success) return new TextDecoder().decode(stdout).trimEnd();
  throw new Error(`${main} ${command.join(" ")} --help: ${new TextDecoder().decode(stderr)}`);
}

async function programPage(program: Program): Promise<string> {
  const name = `necoperf-${program}`;
  const sections = [`# ${name}`, NOTE];
  for (const command of COMMANDS[program]) {
    if (command.length > 0) sections.push(`## ${name} ${command.join(" ")}`);
    sections.push("```text\n" + await help(program, command) + "\n```");
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
    "[proto/necoperf.proto](../../proto/necoperf.proto); the daemon tells it by reflection, too. " +
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
async function format(markdown: string): Promise<string> {
  const fmt = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = fmt.stdin.getWriter();
  await writer.write(new TextEncoder().encode(markdown));
  await writer.close();
  const { success, stdout } = await fmt.output();
  if (!success) throw new Error("deno fmt failed");
  return new TextDecoder().decode(stdout);
}

const pages = {
  "necoperf-client.md": programPage("client"),
  "necoperf-daemon.md": programPage("daemon"),
  "protocol.md": protocolPage(),
};
let stale = false;
for (const [name, page] of Object.entries(pages)) {
  const path = join(PAGES, name);
  const text = await format(await page);
  if (!Deno.args.includes("--check")) {
    await Deno.mkdir(PAGES, { recursive: true });
    await Deno.writeTextFile(path, text);
  } else if (text !== await Deno.readTextFile(path).catch(() => "")) {
    console.error(`docs/reference/${name} is not up to date; run: deno task gen`);
    stale = true;
  }
}
if (stale) Deno.exit(1);
