import { join } from "node:path";
// Deno installs a package that is imported; this one is a page.
import app from "speedscope/package.json" with { type: "json" };
import { startChromium } from "../../testing/chromium.ts";
import { eventually } from "../../testing/process.ts";

const APP = new URL("dist/release/index.html", import.meta.resolve(`${app.name}/package.json`));

/** A row of speedscope's table of functions, as it writes it. */
interface FunctionRow {
  total: string;
  self: string;
  name: string;
}

/** Opens a file with speedscope itself, as its command line does, and reads what it shows of it. */
export async function openWithSpeedscope(
  name: string,
  content: Uint8Array,
): Promise<{ title: string; profile: string; functions: FunctionRow[] }> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-speedscope-" });
  try {
    const loader = join(directory, "load.js");
    await Deno.writeTextFile(
      loader,
      `speedscope.loadFileFromBase64(${JSON.stringify(name)}, "${content.toBase64()}")`,
    );
    await using browser = await startChromium();
    const { page, messages } = browser;
    await page.goto(`${APP}#localProfilePath=${loader}`);
    return await eventually(async () => {
      // The table of functions is the view on this key.
      await page.keyboard.press("3");
      const rows = await page.locator("tr").allInnerTexts();
      const functions = rows.slice(1).map((row) => {
        const [total, self, name] = row.split("\n").map((cell) => cell.trim());
        return { total, self, name };
      });
      if (functions.length === 0) throw new Error(`no table: ${messages.join("\n")}`);
      const text = await page.locator("body").innerText();
      return { title: await page.title(), profile: text.split("\n")[1], functions };
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
