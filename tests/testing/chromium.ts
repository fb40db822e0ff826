import { TextLineStream } from "../../daemon/perf/text_lines.ts";

/** A page in a real browser without a screen. */
export interface Page extends AsyncDisposable {
  /** Opens an address and waits until all of it has run. */
  open(url: string): Promise<void>;
  /** The value of an expression in the page; of a promise, what it resolves to. */
  evaluate<T>(expression: string): Promise<T>;
  /** Moves the pointer to a place of the page, in CSS pixels. */
  point(x: number, y: number): Promise<void>;
  /** Presses and releases the button at a place. */
  click(x: number, y: number): Promise<void>;
  /** Presses and releases a key, named as in `KeyboardEvent.key`. */
  press(key: string): Promise<void>;
  /** Types text where the keyboard is. */
  type(text: string): Promise<void>;
  /** Writes what can be seen into a PNG file. */
  screenshot(path: string): Promise<void>;
  /** Behaves as on a screen that is dark or light. */
  setColorScheme(scheme: "dark" | "light"): Promise<void>;
  /** What the page wrote to the console, and what the browser has against it. */
  readonly messages: string[];
  /** The addresses that the page asked for. */
  readonly requests: string[];
}

/** How large the page is, in CSS pixels. */
export const PAGE_SIZE = { width: 1280, height: 720 };

/** What Debian and others call it; the first does without a screen and much else. */
const PROGRAMS = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

/**
 * Starts Chromium and opens an empty page. It is driven over the Chrome DevTools Protocol, see
 * https://chromedevtools.github.io/devtools-protocol/
 *
 * Rejects when no Chromium is there: `scripts/setup.ts test` installs it.
 */
export async function startChromium(): Promise<Page> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-chromium-" });
  const browser = spawn(directory);
  const connection = await connect(await addressOf(browser.stderr));
  const { targetId } = await connection.call("Target.createTarget", {
    url: "about:blank",
    ...PAGE_SIZE,
  });
  const { sessionId } = await connection.call("Target.attachToTarget", {
    targetId,
    flatten: true,
  });
  // deno-lint-ignore no-explicit-any
  const call = (method: string, params = {}): Promise<any> =>
    connection.call(method, params, sessionId as string);
  const messages: string[] = [];
  const requests: string[] = [];
  connection.on("Runtime.consoleAPICalled", ({ args }) => {
    messages.push(args.map((arg: { value: unknown }) => String(arg.value)).join(" "));
  });
  connection.on("Runtime.exceptionThrown", ({ exceptionDetails }) => {
    messages.push(exceptionDetails.exception?.description ?? exceptionDetails.text);
  });
  connection.on("Log.entryAdded", ({ entry }) => messages.push(entry.text));
  connection.on("Network.requestWillBeSent", ({ request }) => requests.push(request.url));
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await call(`${domain}.enable`);
  const mouse = (type: string, x: number, y: number) =>
    call("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1 });

  const page: Page = {
    messages,
    requests,
    async open(url) {
      const loaded = connection.next("Page.loadEventFired");
      await call("Page.navigate", { url });
      await loaded;
    },
    async evaluate(expression) {
      const { result, exceptionDetails } = await call("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails) {
        throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      }
      return result.value;
    },
    async point(x, y) {
      await call("Input.dispatchMouseEvent", { type: "mouseMoved", x, y });
    },
    async click(x, y) {
      await page.point(x, y);
      await mouse("mousePressed", x, y);
      await mouse("mouseReleased", x, y);
    },
    async press(key) {
      const text = key === "Enter" ? "\r" : key.length === 1 ? key : undefined;
      await call("Input.dispatchKeyEvent", { type: "keyDown", key, text });
      await call("Input.dispatchKeyEvent", { type: "keyUp", key });
    },
    async type(text) {
      await call("Input.insertText", { text });
    },
    async screenshot(path) {
      const { data } = await call("Page.captureScreenshot");
      await Deno.writeFile(path, Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)));
    },
    async setColorScheme(value) {
      await call("Emulation.setEmulatedMedia", {
        features: [{ name: "prefers-color-scheme", value }],
      });
    },
    async [Symbol.asyncDispose]() {
      await connection.call("Browser.close");
      await browser.status;
      await connection.closed;
      await Deno.remove(directory, { recursive: true });
    },
  };
  return page;
}

function spawn(directory: string): Deno.ChildProcess {
  for (const program of PROGRAMS) {
    try {
      return new Deno.Command(program, {
        args: [
          "--headless",
          // Its sandbox refuses to be root's; the pages are the tests' own.
          "--no-sandbox",
          "--disable-gpu",
          "--disable-dev-shm-usage",
          "--remote-debugging-port=0",
          `--user-data-dir=${directory}`,
          "about:blank",
        ],
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).spawn();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(`none of ${PROGRAMS.join(", ")} is installed; scripts/setup.ts does it`);
}

/** Where the browser says that it can be driven. Reads on to its end, so that it can write. */
function addressOf(stderr: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const read = async () => {
      const lines = stderr.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
      for await (const line of lines) {
        said += `${line}\n`;
        const [, address] = /^DevTools listening on (ws:\S+)/.exec(line) ?? [];
        if (address) resolve(address);
      }
      reject(new Error(`Chromium did not start: ${said}`));
    };
    read().catch(reject);
  });
}

/** What Chromium answers and tells is of many shapes, which the protocol's documents describe. */
// deno-lint-ignore no-explicit-any
type Message = Record<string, any>;

interface Connection {
  call(method: string, params?: Message, sessionId?: string): Promise<Message>;
  on(event: string, listener: (params: Message) => void): void;
  next(event: string): Promise<Message>;
  readonly closed: Promise<void>;
}

async function connect(address: string): Promise<Connection> {
  const socket = new WebSocket(address);
  const answers = new Map<number, PromiseWithResolvers<Message>>();
  const listeners = new Map<string, Set<(params: Message) => void>>();
  const closed = Promise.withResolvers<void>();
  socket.onclose = () => {
    for (const { reject } of answers.values()) reject(new Error("Chromium is gone"));
    closed.resolve();
  };
  socket.onmessage = ({ data }) => {
    const { id, method, params, result, error } = JSON.parse(data);
    for (const listener of listeners.get(method) ?? []) listener(params);
    if (error) answers.get(id)?.reject(new Error(error.message));
    else answers.get(id)?.resolve(result);
    answers.delete(id);
  };
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error(`cannot connect to Chromium at ${address}`));
  });
  const on = (event: string, listener: (params: Message) => void) => {
    listeners.set(event, (listeners.get(event) ?? new Set()).add(listener));
  };
  let calls = 0;
  return {
    call(method, params = {}, sessionId) {
      const answer = Promise.withResolvers<Message>();
      answers.set(++calls, answer);
      socket.send(JSON.stringify({ id: calls, method, params, sessionId }));
      return answer.promise;
    },
    on,
    next: (event) => new Promise((resolve) => on(event, resolve)),
    closed: closed.promise,
  };
}
