import assert from "node:assert/strict";
import { join } from "node:path";
import { PAGE_SIZE } from "../../testing/chromium.ts";
import { eventually } from "../../testing/process.ts";
import { type OpenGraph, openPage, ROW_HEIGHT } from "./graph_page.ts";
import { convert, convertToText, SCRIPT } from "./profile.ts";

/** Opens the flame graph of a perf script's text. */
async function open(text: string): Promise<OpenGraph> {
  await using cleanup = new AsyncDisposableStack();
  const directory = await Deno.makeTempDir({ prefix: "necoperf-flamegraph-" });
  cleanup.defer(() => Deno.remove(directory, { recursive: true }));
  const file = join(directory, "graph.html");
  await Deno.writeFile(file, await convert("flamegraph", text));
  const graph = await openPage(file);
  const disposables = cleanup.move();
  disposables.use(graph);
  return { ...graph, [Symbol.asyncDispose]: () => disposables.disposeAsync() };
}

Deno.test("convertScript: tooltips tell the share, the samples and where a function runs", async () => {
  await using graph = await open(SCRIPT);
  // Siblings are in the order of their names; what is a function's own time is right of them.
  assert.equal(
    await graph.tooltip(4, 0.4),
    "vfs_read\nkernel: [kernel.kallsyms]\n40.00% of 50 ms\n2 samples, 20 ms; itself 40.00%",
  );
  assert.equal(
    await graph.tooltip(3, 0.7),
    "parse\nprogram: /app/web\n60.00% of 50 ms\n3 samples, 30 ms; itself 20.00%",
  );
  assert.match(await graph.tooltip(3, 0.1) ?? "", /^\[libz\.so\.1\]\nlibrary: .*\n20\.00%/);
  assert.match(await graph.tooltip(3, 0.9) ?? "", /^JS:~tick .*\nJIT: \/tmp\/perf-7\.map\n20\.00%/);
  assert.match(await graph.tooltip(1, 0.9) ?? "", /^worker\n20\.00%/);
  assert.equal(await graph.tooltip(4, 0.7), undefined);
  assert.equal(await graph.text("#summary"), "5 samples, 50 ms");
  assert.equal(await graph.page.title(), "web-0 app");
  assert.deepEqual(graph.messages, []);
});

Deno.test("convertScript: a click zooms, and the reset button shows all again", async () => {
  await using graph = await open(SCRIPT);
  await graph.page.mouse.click(...await graph.at(3, 0.5));
  // All of the width is parse now, two thirds of which are vfs_read.
  // On a busy machine the page may still be at the click.
  await eventually(async () => {
    const text = await graph.tooltip(4, 0.6) ?? "";
    assert.match(text, /^vfs_read\n.*\n40\.00% of 50 ms, 66\.67% of/);
  });
  assert.equal(await graph.tooltip(4, 0.7), undefined);
  assert.match(await graph.tooltip(3, 0.99) ?? "", /^parse/);
  // What holds it is as wide, and nothing else is there.
  assert.match(await graph.tooltip(1, 0.99) ?? "", /^web\n80\.00%/);

  await graph.page.locator("#reset").click();
  assert.match(await graph.tooltip(1, 0.99) ?? "", /^worker/);
  assert(await graph.page.locator("#reset").isDisabled());
});

Deno.test("convertScript: a search highlights what it finds, and sums it up", async () => {
  await using graph = await open(SCRIPT);
  const before = await graph.colour(3, 0.5);
  await graph.page.keyboard.press("/");
  await graph.page.keyboard.type("VFS");
  assert.equal(await graph.text("#matched"), "40.00% matched");
  assert.deepEqual(await graph.colour(4, 0.4), [0xe8, 0x79, 0xf9, 255]);
  assert((await graph.colour(3, 0.5))[3] < before[3], "what is not found is paler");

  // What is below a match is part of it.
  await graph.page.locator("#search").fill("r");
  assert.equal(await graph.text("#matched"), "80.00% matched");
  await graph.page.keyboard.press("Escape");
  assert.equal(await graph.text("#matched"), "");
  assert.deepEqual(await graph.colour(3, 0.5), before);
});

Deno.test("convertScript: the keyboard goes everywhere, and what it is at is told", async () => {
  await using graph = await open(SCRIPT);
  await graph.page.locator("#canvas").focus();
  for (const name of ["web", "main", "parse", "vfs_read"]) {
    await graph.page.keyboard.press("ArrowDown");
    assert.equal((await graph.text("#status"))?.split(" · ")[0], name);
  }
  await graph.page.keyboard.press("ArrowUp");
  await graph.page.keyboard.press("ArrowLeft");
  assert.match(await graph.text("#status") ?? "", /^\[libz\.so\.1\] · library: /);
  await graph.page.keyboard.press("ArrowRight");
  await graph.page.keyboard.press("Enter");
  assert.match(await graph.tooltip(1, 0.99) ?? "", /^web/);
  // Nothing beside what is zoomed into can be gone to.
  await graph.page.keyboard.press("ArrowLeft");
  assert.match(await graph.text("#status") ?? "", /^parse /);
  await graph.page.keyboard.press("Escape");
  assert.match(await graph.tooltip(1, 0.99) ?? "", /^worker/);
});

Deno.test("convertScript: colours tell programs, libraries, the kernel and JIT apart, with a legend", async () => {
  await using graph = await open(SCRIPT);
  assert.deepEqual(
    await graph.page.locator("#legend li").allTextContents(),
    ["program", "library", "kernel", "JIT"],
  );
  for (const scheme of ["light", "dark"] as const) {
    await graph.page.emulateMedia({ colorScheme: scheme });
    const [program, library, kernel, jit] = [
      await graph.colour(3, 0.7),
      await graph.colour(3, 0.1),
      await graph.colour(4, 0.4),
      await graph.colour(3, 0.9),
    ].map((colour) => colour.slice(0, 3));
    assert.equal(Math.max(...program), program[0], `orange: ${program}`);
    assert.equal(Math.min(...program), program[2], `orange: ${program}`);
    assert.equal(Math.max(...library), library[1], `green: ${library}`);
    assert.equal(Math.max(...kernel), kernel[2], `blue: ${kernel}`);
    assert.equal(Math.min(...kernel), kernel[0], `blue: ${kernel}`);
    assert.equal(Math.min(...jit), jit[1], `violet: ${jit}`);
  }
});

Deno.test("convertScript: names are data, whatever they are, and the page can load nothing", async () => {
  const evil = "</script><script>window.harmed=1</script><img src=x onerror=harmed=1><!--";
  let requests = 0;
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    requests++;
    return new Response("x", { headers: { "access-control-allow-origin": "*" } });
  });
  await using graph = await open(
    `<b>'"${"`"} 7/7 1.0: 1 cpu-clock: \n\t 55d0 ${evil}+0x1 (/bin/<i>)\n\n` +
      "x 7/7 1.0: 1 <u>{{ data }}: \n\t 55d0 main+0x1 (/bin/x)\n\n",
  );
  assert.equal((await graph.tooltip(2, 0.5))?.split("\n")[0], evil);
  assert.equal((await graph.tooltip(1, 0.5))?.split("\n")[0], "<b>'\"`");
  assert.equal(await graph.page.locator("img, b, u, script:not([id])").count(), 1);
  // Even if there were a way in, the page's policy would not let it do anything.
  const refused = await graph.page.evaluate<boolean[]>(`(async () => {
    const script = document.createElement("script");
    script.textContent = "window.harmed = 1";
    document.body.append(script);
    const image = document.createElement("img");
    image.src = "http://127.0.0.1:${server.addr.port}/image";
    const imageFails = await new Promise((done) => {
      image.onerror = () => done(true);
      image.onload = () => done(false);
    });
    const fetchFails = await fetch("http://127.0.0.1:${server.addr.port}/fetch")
      .then(() => false, () => true);
    return [window.harmed === undefined, imageFails, fetchFails];
  })()`);
  assert.deepEqual(refused, [true, true, true]);
  assert.equal(requests, 0);
});

Deno.test("convertScript: each event has its own tree", async () => {
  await using graph = await open(
    SCRIPT + "web 7/7 12.0: 300 cycles: \n\t 55d0 main+0x10 (/app/web)\n\n",
  );
  assert.match(await graph.tooltip(1, 0.9) ?? "", /^worker/);
  await graph.chooseView(1);
  assert.equal(
    await graph.tooltip(2, 0.9),
    "main\nprogram: /app/web\n100.00% of 300 cycles\n1 sample, 300 cycles; itself 100.00%",
  );
});

Deno.test("convertScript: what nobody could see is left out, so that the file stays small", async () => {
  const sample = (name: string, period: number) =>
    `a 1/1 1.0: ${period} cycles: \n\t 1 leaf_of_${name}+0x1 (/bin/a)\n\t 2 ${name}+0x1 (/bin/a)\n\n`;
  await using graph = await open(
    sample("much", 100_000) + sample("enough", 6) + sample("little", 4),
  );
  const { frames, views } = await graph.page.evaluate<{
    frames: [string][];
    views: { frames: number[] }[];
  }>("JSON.parse(document.getElementById('data').textContent)");
  assert.deepEqual(
    views[0].frames.map((frame) => frames[frame][0]),
    ["all", "a", "enough", "leaf_of_enough", "much", "leaf_of_much"],
  );
  assert.equal(
    await graph.text("#summary"),
    "3 samples, 100,010 cycles; without frames below 0.005%",
  );
});

Deno.test("convertScript: however many frames there are, the file has a bound", async () => {
  let text = "a 1/1 1.0: 20000 cycles: \n\t 1 main (/bin/a)\n\n";
  for (let index = 0; index < 10_000; index++) {
    text += "a 1/1 1.0: 2 cycles: \n";
    for (let depth = 15; depth > 0; depth--) text += `\t 1 f${index}_${depth} (/bin/a)\n`;
    text += "\n";
  }
  const html = await convertToText("flamegraph", text);
  const { views: [view] } = JSON.parse(/<script id="data"[^>]*>(.*)<\/script>/.exec(html)![1]);
  assert.deepEqual(view.depths, [0, 1, 2]);
  // Twice the share of 2 in 40,000, which all of them have.
  assert.equal(view.prunedShare, 1 / 10_000);
});

Deno.test("convertScript: tens of thousands of frames, and stacks deeper than the window", async () => {
  let text = "";
  for (let index = 0; index < 8000; index++) {
    text += "a 1/1 1.0: 1 cycles: \n";
    for (let depth = 8; depth > 0; depth--) text += `\t 1 f${index % 10 ** depth} (/bin/a)\n`;
    text += "\n";
  }
  text += "b 1/1 1.0: 8000 cycles: \n";
  for (let depth = 100; depth > 0; depth--) text += `\t 1 deep${depth} (/bin/b)\n`;
  await using graph = await open(`${text}\n`);
  const count = await graph.page.evaluate<number>(
    "JSON.parse(document.getElementById('data').textContent).views[0].frames.length",
  );
  assert(count > 40_000, `${count} frames`);
  assert.equal(await graph.tooltip(1, 0.75).then((text) => text?.split("\n")[0]), "b");
  await graph.page.locator("#canvas").focus();
  for (const key of ["ArrowDown", "ArrowRight", ...Array(100).fill("ArrowDown")]) {
    await graph.page.keyboard.press(key);
  }
  assert.match(await graph.text("#status") ?? "", /^deep100 /);
  const [, y] = await graph.at(0, 0);
  // It was scrolled to: the last row is at the lower end of the window.
  const rows = Math.floor((PAGE_SIZE.height - y) / ROW_HEIGHT);
  // One after the other: there is one pointer.
  const names: unknown[] = [];
  for (const row of [rows - 4, rows - 3, rows - 2]) names.push(await graph.tooltip(row, 0.75));
  assert(names.some((text) => /^deep(99|100)\n/.test(`${text}`)), names.join());
});

/**
 * Two threads of 10 s each: `serve` ran 1 s, waited 1 s for a processor and was blocked 8 s; `log`
 * was blocked all of the time.
 */
function timeText(): string {
  const sample = (event: string, milliseconds: number, ...functions: string[]) =>
    `web 7/${functions[0] === "log" ? 8 : 7} [001] 20.0: ${milliseconds * 1e6} ${event}: \n` +
    functions.map((name) => `\t 10 ${name}+0x1 (/web)\n`).join("") + "\n";
  return sample("cpu-clock", 1000, "parse", "serve") + sample("run-delay", 1000, "parse", "serve") +
    sample("offcpu-time", 8000, "query", "serve") + sample("offcpu-time", 10_000, "log");
}

Deno.test("convertScript: a flame graph of threads' time has the kinds in colours, and shows any of them", async () => {
  await using graph = await open(timeText());
  const boxes = graph.page.locator("#kinds label");
  assert.deepEqual(await boxes.allTextContents(), [
    "running 1 s (5.00%)",
    "blocked 8 s (40.00%)",
    "waiting for a processor 1 s (5.00%)",
    "1 idle thread 10 s (50.00%)",
  ]);
  // What waits the whole time is shown when it is asked for.
  const idle = graph.page.getByRole("checkbox", { name: "1 idle thread" });
  assert.equal(await idle.isChecked(), false);
  assert.equal(await graph.text("#summary"), "10 s of 2 threads' time");
  assert.match(await graph.tooltip(2, 0.6) ?? "", /^serve\n.*\n100.00% of 10 s/);
  await idle.check();
  assert.equal(await graph.text("#summary"), "20 s of 2 threads' time");
  assert(await graph.page.locator("#legend").isHidden());
  assert(await graph.page.locator("#view-label").isHidden());
  assert.equal(
    await graph.tooltip(2, 0.6),
    "serve\nprogram: /web\n50.00% of 20 s\n" +
      "1 s running, 8 s blocked, 1 s waiting for a processor; itself 0.00%",
  );
  assert.match(await graph.tooltip(2, 0.2) ?? "", /^log\n.*\n.*\n10 s 1 idle thread; itself/);
  const blue = await graph.colour(3, 0.9);
  assert.equal(Math.max(...blue.slice(0, 3)), blue[2], `blocked: ${blue}`);

  await idle.uncheck();
  // Without what is blocked there is only parse left, of which half runs.
  const box = (name: string) => graph.page.getByRole("checkbox", { name });
  await box("blocked").uncheck();
  assert.equal(await graph.text("#summary"), "2 s of 2 threads' time");
  assert.equal(
    await graph.tooltip(3, 0.99),
    "parse\nprogram: /web\n100.00% of 2 s\n" +
      "1 s running, 1 s waiting for a processor; itself 100.00%",
  );
  await box("waiting for a processor").uncheck();
  for (const scheme of ["light", "dark"] as const) {
    await graph.page.emulateMedia({ colorScheme: scheme });
    const orange = await graph.colour(3, 0.9);
    assert.equal(Math.min(...orange.slice(0, 3)), orange[2], `running: ${orange}`);
  }
  await box("running").uncheck();
  assert.equal(await graph.tooltip(0, 0.5), undefined);

  // What is zoomed into stays so, and what is chosen goes by the keyboard, too.
  await box("blocked").check();
  await graph.page.mouse.click(...await graph.at(2, 0.9));
  await eventually(async () => assert.match(await graph.tooltip(2, 0.1) ?? "", /^serve/));
  await box("running").focus();
  await graph.page.keyboard.press("Space");
  assert.match(await graph.tooltip(2, 0.1) ?? "", /^serve\n.*\n100.00% of 9 s/);
  assert.match(await graph.tooltip(2, 0.9) ?? "", /^serve/);
});

Deno.test("convertScript: a frame of several kinds of time has a stripe with the part of each", async () => {
  await using graph = await open(timeText());
  const stripe = (part: number) => graph.colour(3, part, 7);
  // Of parse, at the left, a half ran and a half waited.
  const [running, waiting] = [await stripe(0.04), await stripe(0.16)];
  assert(running[1] > waiting[1] + 30 && running[2] < waiting[2], `${running}, ${waiting}`);
  assert.deepEqual(await stripe(0.9), await graph.colour(3, 0.9), "what only blocked has none");
  assert.equal(await graph.page.locator("#notes").isVisible(), false);
});

Deno.test("convertScript: a flame graph says how its threads' time was thinned", async () => {
  await using graph = await open(`# necoperf: thinned: <b>by half</b>\n${timeText()}`);
  assert.equal(await graph.text("#notes"), "thinned: <b>by half</b>");
  assert(await graph.page.locator("#notes").isVisible());
  assert.match(await graph.tooltip(2, 0.6) ?? "", /^serve\n/);
});

Deno.test("convertScript: a kind of which there is little keeps its frames", async () => {
  const sample = (event: string, period: number, name: string) =>
    `web 7/7 [001] 20.0: ${period} ${event}: \n\t 10 ${name}+0x1 (/web)\n\n`;
  await using graph = await open(
    sample("offcpu-time", 1e12, "sleep") + sample("offcpu-time", 1e6, "blink") +
      sample("cpu-clock", 1e6, "work"),
  );
  await graph.page.getByRole("checkbox", { name: "blocked" }).uncheck();
  assert.match(await graph.tooltip(2, 0.5) ?? "", /^work\n.*\n100.00% of 1 ms/);
  await graph.page.locator("#search").fill("blink");
  assert.equal(await graph.text("#matched"), "0.00% matched");
  assert.match((await graph.text("#summary"))!, /without frames below/);
  assert.deepEqual(graph.messages, []);
});

Deno.test("convertScript: time of one kind alone is a tree like any other", async () => {
  await using graph = await open(
    "web 7/7 [001] 20.0: 2500000000 offcpu-time: \n\t 10 read+0x1 (/web)\n\n",
  );
  assert(await graph.page.locator("#kinds").isHidden());
  assert.equal(await graph.text("#summary"), "1 samples, 2.5 s");
  assert.match(await graph.tooltip(2, 0.5) ?? "", /^read\nprogram: \/web\n100.00% of 2.5 s/);
});

Deno.test("convertScript: a flame graph leaves out Go's threads without a goroutine as idle", async () => {
  const sample = (event: string, seconds: number, name: string) =>
    `web 7/7 [001] 20.0: ${seconds * 1e9} ${event}: \n\t 10 ${name}+0x1 (/web)\n\n`;
  await using graph = await open(
    sample("offcpu-time", 8, "runtime.stopm") + sample("offcpu-time", 1, "main.save") +
      sample("cpu-clock", 1, "main.work"),
  );
  assert.deepEqual(await graph.page.locator("#kinds label").allTextContents(), [
    ...["running 1 s (10.00%)", "blocked 1 s (10.00%)", "idle 8 s (80.00%)"],
  ]);
  assert.match(await graph.tooltip(2, 0.1) ?? "", /^main.save\n.*\n50.00% of 2 s/);
});
