import type { Page } from "playwright-core";
import { startChromium } from "../../testing/chromium.ts";

/** As the page's script has it, in CSS pixels. */
export const ROW_HEIGHT = 19;

/** A flame graph that is open in a browser. */
export interface OpenGraph extends AsyncDisposable {
  page: Page;
  /** What the page wrote to the console, and the exceptions that nothing caught in it. */
  messages: string[];
  /** The middle of what is at a row, and at a part of the width from 0 to 1. */
  at(row: number, part: number): Promise<[x: number, y: number]>;
  /** What the tooltip says of a place, or undefined. */
  tooltip(row: number, part: number): Promise<string | undefined>;
  /**
   * The red, green, blue and opacity of a place, 0 to 255 each; `below` CSS pixels below the middle
   * of the row.
   */
  colour(row: number, part: number, below?: number): Promise<number[]>;
  /** The text of an element. */
  text(selector: string): Promise<string | null>;
  /** Shows another of the page's trees. */
  chooseView(index: number): Promise<unknown>;
}

/** Opens the file of a flame graph in a browser. */
export async function openPage(file: string): Promise<OpenGraph> {
  const { page, messages, [Symbol.asyncDispose]: close } = await startChromium();
  await page.goto(`file://${file}`);
  const drawn = () =>
    page.evaluate(
      "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))",
    );
  // Before it has drawn the page once, a browser drops clicks.
  await drawn();
  const at = async (row: number, part: number): Promise<[number, number]> => {
    const { x, y, width } = (await page.locator("#canvas").boundingBox())!;
    return [x + width * part, y + (row + 0.5) * ROW_HEIGHT];
  };
  return {
    page,
    messages,
    at,
    async tooltip(row, part) {
      // What scrolled is told with the next frame, and hides the tooltip.
      await drawn();
      await page.mouse.move(...await at(row, part));
      const tooltip = page.locator("#tooltip");
      return await tooltip.isVisible() ? await tooltip.textContent() ?? undefined : undefined;
    },
    // Near the upper edge, where no letter is.
    async colour(row, part, below = -7) {
      await page.mouse.move(0, 0);
      await drawn();
      const [x, y] = await at(row, part);
      return page.evaluate<number[]>(`(() => {
        const canvas = document.getElementById("canvas");
        const { left, top } = canvas.getBoundingClientRect();
        const pixels = canvas.getContext("2d");
        return Array.from(pixels.getImageData(${x} - left, ${y + below} - top, 1, 1).data);
      })()`);
    },
    text: (selector) => page.locator(selector).textContent(),
    chooseView: (index) => page.locator("#view").selectOption({ index }),
    [Symbol.asyncDispose]: close,
  };
}
