import { join } from "node:path";

/**
 * What Chromium and Chrome are called by those who package them; the first does without a screen,
 * and a third of the packages.
 */
const PROGRAMS = [
  "chromium-headless-shell",
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
];

/**
 * Returns the path of a Chromium or Chrome of this machine that opens a file of the temporary
 * directory, or undefined when it has none.
 *
 * Being on the `PATH` is not enough: Ubuntu's `chromium-browser` asks to install a snap, and a snap
 * has a temporary directory of its own.
 */
export async function findChromium(): Promise<string | undefined> {
  for (const program of PROGRAMS) {
    const { success, stdout } = await new Deno.Command("sh", {
      args: ["-c", `command -v ${program}`],
      stderr: "null",
    }).output();
    const path = new TextDecoder().decode(stdout).trim();
    if (success && await opensFile(path)) return path;
  }
}

async function opensFile(program: string): Promise<boolean> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-chromium-" });
  try {
    const page = join(directory, "page.html");
    await Deno.writeTextFile(page, "<title>readable</title>");
    const { success, stdout } = await new Deno.Command(program, {
      args: [
        "--headless",
        // Its sandbox refuses to run as root.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        // Not the one that somebody's open browser has locked.
        `--user-data-dir=${join(directory, "profile")}`,
        "--dump-dom",
        `file://${page}`,
      ],
      stdin: "null",
      stderr: "null",
      signal: AbortSignal.timeout(30_000),
    }).output();
    return success && new TextDecoder().decode(stdout).includes("<title>readable</title>");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
