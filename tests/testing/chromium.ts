import { chromium, type Page } from "playwright-core";
import { findChromium } from "../../scripts/find_chromium.ts";

/** How large the page is, in CSS pixels. */
export const PAGE_SIZE = { width: 1280, height: 720 };

/** An empty page in the Chromium or Chrome of this machine, without a screen. */
interface OpenPage extends AsyncDisposable {
  page: Page;
  /** What the page wrote to the console, and the exceptions that nothing caught in it. */
  messages: string[];
}

let executablePath: Promise<string | undefined> | undefined;

/**
 * Starts Chromium and opens an empty page. Disposing of it ends Chromium.
 *
 * Rejects when the machine has no Chromium: `scripts/setup.ts test` installs one.
 */
export async function startChromium(): Promise<OpenPage> {
  // It takes a second to find one that works: once for each file of tests.
  const path = await (executablePath ??= findChromium());
  if (!path) throw new Error("no Chromium or Chrome found; run scripts/setup.ts test");
  const browser = await chromium.launch({ executablePath: path, args: ["--disable-gpu"] });
  const page = await browser.newPage({ viewport: PAGE_SIZE });
  const messages: string[] = [];
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(String(error)));
  return { page, messages, [Symbol.asyncDispose]: () => browser.close() };
}
