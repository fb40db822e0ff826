/**
 * Starts the programs under test as processes of the Deno that runs the tests, and ends them.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Commands } from "./client.ts";
import { lines } from "./lines.ts";

/** How a program is started. */
export interface Variant {
  /** Runs under `MALLOC_PERTURB_=165`, with which glibc overwrites what has been freed. */
  perturb: boolean;
  /** Runs without `proto/deferred_session_close.ts`. */
  withoutMeasure?: boolean;
}

/** A running program. Disposing of it ends it, whatever it does. */
export interface Child extends AsyncDisposable {
  program: "server.ts" | "client.ts";
  pid: number;
  /** The lines of its standard output. */
  output: AsyncGenerator<string>;
  /** Sends a line to its standard input. */
  writeLine(line: string): Promise<void>;
  /** Waits for its end: the signal or the exit code, and its last words on standard error. */
  ended(): Promise<{ signal: Deno.Signal | null; code: number; stderr: string }>;
  /** Tells it to end in order, and fails unless it does. */
  endInOrder(): Promise<void>;
}

/** A client that takes the commands of `client.ts`. */
export interface ClientChild extends Child {
  ask<Name extends keyof Commands>(
    name: Name,
    ...parameters: Parameters<Commands[Name]>
  ): Promise<Awaited<ReturnType<Commands[Name]>>>;
}

/** Far more than anything takes, on a machine that has much else to do, too. */
const WAIT_MILLISECONDS = 120_000;

/** Rejects when `promise` takes longer than anything here should. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  milliseconds = WAIT_MILLISECONDS,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`${what}: not within ${milliseconds / 1000} s`)),
    milliseconds,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Starts a program and waits for its first line of output. */
async function start(
  program: Child["program"],
  address: string,
  variant: Variant,
): Promise<{ child: Child; firstLine: string }> {
  const child = spawn(program, address, variant);
  try {
    return { child, firstLine: await nextLine(child) };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

function spawn(program: Child["program"], address: string, variant: Variant): Child {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--frozen", "--quiet", "--v8-flags=--expose-gc"],
      ...[`${import.meta.dirname}/${program}`, address],
      ...variant.withoutMeasure ? ["--without-measure"] : [],
    ],
    env: { NO_COLOR: "1", ...variant.perturb ? { MALLOC_PERTURB_: "165" } : {} },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = process.stdin.getWriter();
  const output = lines(process.stdout);
  const stderr = process.stderr.text();
  let running = true;
  const status = process.status.finally(() => running = false);

  const ended = async () => {
    const { signal, code } = await within(status, `the end of ${program}`);
    return { signal, code, stderr: await stderr };
  };
  return {
    program,
    pid: process.pid,
    output,
    ended,
    async writeLine(line) {
      await input.write(new TextEncoder().encode(`${line}\n`));
    },
    async endInOrder() {
      if (program === "client.ts") await input.close();
      else process.kill("SIGTERM");
      const { signal, code, stderr } = await ended();
      assert.deepEqual({ signal, code, stderr }, { signal: null, code: 0, stderr: "" });
    },
    async [Symbol.asyncDispose]() {
      if (running) process.kill("SIGKILL");
      await status;
      await Promise.allSettled([input.abort(), output.return(undefined), stderr]);
    },
  };
}

/** The error that says how a program ended that should be running. */
async function endError(child: Child): Promise<Error> {
  const { signal, code, stderr } = await child.ended();
  return new Error(
    `${child.program} under test ended with ${signal ?? `exit code ${code}`}\n${stderr}`,
  );
}

/** Explains a failure by the end of a program that should be running, when that is the cause. */
export async function explain(failure: unknown, ...children: Child[]): Promise<unknown> {
  for (const child of children) {
    const crash = await within(endError(child), "its end", 500).catch(() => undefined);
    if (crash) return Object.assign(crash, { cause: failure });
  }
  return failure;
}

/** The next line of a program's standard output. */
export async function nextLine(child: Child): Promise<string> {
  const { value, done } = await within(child.output.next(), "a line of output");
  if (done) throw await endError(child);
  return value;
}

/** Starts the server. `address` is where clients find it. */
export async function startServer(
  variant: Variant,
  address = "127.0.0.1:0",
): Promise<Child & { address: string }> {
  const { child, firstLine } = await start("server.ts", address, variant);
  return { ...child, address: firstLine };
}

/** Starts a client of the server at `address`. */
export async function startClient(address: string, variant: Variant): Promise<ClientChild> {
  const { child } = await start("client.ts", address, variant);

  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const answers = (async () => {
    for await (const line of child.output) {
      const { id, answer, error } = JSON.parse(line);
      if (error === undefined) waiting.get(id)?.resolve(answer);
      else waiting.get(id)?.reject(new Error(error));
      waiting.delete(id);
    }
  })();
  let lastId = 0;
  return {
    ...child,
    async ask(name, ...parameters) {
      const id = ++lastId;
      const answer = Promise.withResolvers<unknown>();
      waiting.set(id, answer);
      await child.writeLine(JSON.stringify([id, name, ...parameters])).catch(() => {});
      const gone = answers.then(async () => {
        throw await endError(child);
      });
      return await within(Promise.race([answer.promise, gone]), `the client's ${name}`) as never;
    },
  };
}

/** A port on loopback that nobody listens on, for a server that comes and goes. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** A directory for sockets, gone when disposed of. */
export async function temporaryDirectory(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "necoperf-conformance-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
