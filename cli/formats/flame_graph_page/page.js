// The page of a flame graph. Its data is what `flame_graph.ts` writes: trees whose nodes are in
// preorder, so that all below node `i` is `i + 1` to `end[i] - 1`.
"use strict";

const ROW_HEIGHT = 19;
const FONT = "12px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
/** A narrower frame is not drawn, in CSS pixels. */
const MIN_WIDTH = 0.4;
/** How high the stripe is that shows what kinds of time a frame is made of. */
const STRIPE_HEIGHT = 4;

/** What each kind of function is called and coloured: hue, saturation. */
const KINDS = {
  user: ["program", 28, 85],
  library: ["library", 130, 38],
  kernel: ["kernel", 212, 62],
  jit: ["JIT", 285, 50],
  unknown: ["unknown", 40, 5],
};

/** The colours of what threads do with their time: hue, saturation. */
const TIME_KINDS = {
  running: [36, 90],
  blocked: [212, 60],
  waiting: [345, 75],
  idle: [40, 5],
};

/** What an idle thread is. The rule is that of `script/thread_times.ts`. */
const IDLE_RULE =
  "a thread that was blocked for 99.9% of its life, 95% of it on one stack, and was " +
  "woken no more often than every ten seconds; and a thread of Go's without a goroutine to run";

const byId = (id) => document.getElementById(id);
const [canvas, scroller, tooltip, status] = ["canvas", "scroller", "tooltip", "status"].map(byId);
const context = canvas.getContext("2d");
const dark = matchMedia("(prefers-color-scheme: dark)");
const data = JSON.parse(byId("data").textContent);
const names = data.frames.map(([symbol]) => symbol);

let tree;
/** The tree that `tree` shows the chosen kinds of. */
let view;
let chosen = [];
let zoomed = 0;
/** The node under the pointer, and the one that the keyboard is at. */
let hovered = -1;
let focused = 0;
let byKeyboard = false;
/** For each function whether the search finds it; undefined without a search. */
let found;
let scheduled = false;

/** What of a tree is of the chosen kinds. A node that has nothing of them is left out. */
function ofChosenKinds(view) {
  const { kinds, parts, depths, frames } = view;
  if (!kinds) return view;
  const weightOf = (node) => parts.reduce((sum, part, kind) => sum + chosen[kind] * part[node], 0);
  const nodes = [...depths.keys()].filter((node) => node === 0 || weightOf(node) > 0);
  return {
    ...view,
    nodes,
    depths: nodes.map((node) => depths[node]),
    frames: nodes.map((node) => frames[node]),
    weights: nodes.map(weightOf),
    parts: parts.map((part, kind) => nodes.map((node) => chosen[kind] * part[node])),
    total: weightOf(0),
  };
}

/** Completes a tree with what drawing needs. */
function layOut(view) {
  const { depths, frames, weights } = view;
  const count = depths.length;
  const start = new Float64Array(count);
  const end = new Uint32Array(count);
  const self = Float64Array.from(weights);
  const parents = new Int32Array(count);
  const functionKinds = [];
  const rows = [];
  const path = [];
  for (let i = 0; i < count; i++) {
    const depth = depths[i];
    while (path.length > depth) end[path.pop()] = i;
    const parent = parents[i] = path.at(-1) ?? -1;
    if (parent >= 0) {
      start[i] = start[parent] + weights[parent] - self[parent];
      self[parent] -= weights[i];
    }
    const kind = data.frames[frames[i]][2];
    functionKinds.push(kind === "inlined" ? functionKinds[parent] : kind);
    (rows[depth] ??= []).push(i);
    path.push(i);
  }
  for (const i of path) end[i] = count;
  // Siblings are put behind one another by what their parent has left; what stays is its own.
  return { ...view, start, end, self, parents, functionKinds, rows };
}

function colour(node) {
  const { others, functionKinds, frames } = tree;
  if (others) {
    const change = changeOf(node);
    // A change of a tenth of everything is as loud as it gets; small ones are still to be seen.
    const strength = Math.min(1, Math.sqrt(Math.abs(change) * 10));
    return changeColour(change > 0 ? "more" : "less", strength);
  }
  if (node === 0) return kindColour(0, 0, 4);
  const jitter = hash(names[frames[node]]);
  if (tree.parts) {
    // What most of its time is: the leaves say what all of it is.
    const most = tree.parts.reduce(
      (a, part, kind) => part[node] > tree.parts[a][node] ? kind : a,
      0,
    );
    const [hue, saturation] = TIME_KINDS[tree.kinds[most].kind];
    return kindColour(hue + jitter % 9 - 4, saturation, (jitter >> 4) % 9 - 4);
  }
  const [, hue, saturation] = KINDS[functionKinds[node]] ?? KINDS.user;
  return kindColour(hue + jitter % 15 - 7, saturation, (jitter >> 4) % 9 - 4);
}

/** How much more of its profile a function has after than before: -1 to 1. */
function changeOf(node) {
  const { weights, total, others, otherTotal, direction } = tree;
  return direction * (weights[node] / (total || 1) - others[node] / (otherTotal || 1));
}

function changeColour(way, strength) {
  const lightness = dark.matches ? 72 - 10 * strength : 92 - 24 * strength;
  return `hsl(${way === "more" ? 5 : 217} ${Math.round(90 * strength)}% ${Math.round(lightness)}%)`;
}

function kindColour(hue, saturation, lighter = 0) {
  return `hsl(${hue} ${saturation}% ${(dark.matches ? 62 : 74) + lighter}%)`;
}

function hash(text) {
  let value = 0;
  for (let i = 0; i < text.length; i++) value = (value * 31 + text.charCodeAt(i)) & 0xffffff;
  return value;
}

/** Where a node is drawn, in CSS pixels of the canvas; those that hold the zoomed one are full. */
function placeOf(node) {
  const { start, weights, depths, end } = tree;
  const y = depths[node] * ROW_HEIGHT - scroller.scrollTop;
  const full = canvas.clientWidth;
  if (node < zoomed && zoomed < end[node]) return { x: 0, y, width: full };
  const scale = full / (weights[zoomed] || 1);
  return { x: (start[node] - start[zoomed]) * scale, y, width: weights[node] * scale };
}

function draw() {
  scheduled = false;
  const ratio = devicePixelRatio || 1;
  const width = scroller.clientWidth;
  const height = scroller.clientHeight;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  context.scale(ratio, ratio);
  context.font = FONT;
  context.textBaseline = "middle";
  const letterWidth = context.measureText("m").width;
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--focus");

  for (let i = 0; i < tree.depths.length;) {
    const holdsZoomed = i < zoomed && zoomed < tree.end[i];
    if (!holdsZoomed && (i < zoomed || i >= tree.end[zoomed])) {
      i = i < zoomed ? tree.end[i] : tree.depths.length;
      continue;
    }
    const { x, y, width } = placeOf(i);
    if (width < MIN_WIDTH || y > height) {
      i = tree.end[i];
      continue;
    }
    if (y > -ROW_HEIGHT) drawFrame(i, { x, y, width }, letterWidth, holdsZoomed);
    i++;
  }
  if (byKeyboard && document.activeElement === canvas) outline(focused, ink);
  if (hovered >= 0) outline(hovered, ink);
}

function drawFrame(node, { x, y, width }, letterWidth, faded) {
  const frame = tree.frames[node];
  context.globalAlpha = faded ? 0.45 : found && !found[frame] && node > 0 ? 0.3 : 1;
  context.fillStyle = found?.[frame] ? (dark.matches ? "#f0abfc" : "#e879f9") : colour(node);
  const gap = width > 3 ? 1 : 0;
  context.fillRect(x, y, width - gap, ROW_HEIGHT - 1);
  if (!found?.[frame]) stripe(node, x, y + ROW_HEIGHT - 1 - STRIPE_HEIGHT, width - gap);
  const letters = Math.floor((width - 8) / letterWidth);
  if (letters >= 2) {
    const name = names[frame];
    const text = name.length > letters ? `${name.slice(0, letters - 1)}…` : name;
    context.globalAlpha = faded ? 0.75 : context.globalAlpha;
    // A faded frame has the page behind it, so that its text needs the page's colour.
    const onPage = dark.matches && context.globalAlpha < 1;
    context.fillStyle = onPage ? "#f5f5f4" : "#1c1917";
    if (context.globalAlpha < 0.5) context.globalAlpha = 0.65;
    context.fillText(text, x + 4, y + ROW_HEIGHT / 2);
  }
  context.globalAlpha = 1;
}

/** Below a frame of more than one kind of time, each kind as wide as its part. */
function stripe(node, x, y, width) {
  const parts = tree.parts?.map((part) => part[node]) ?? [];
  if (parts.filter((part) => part > 0).length < 2) return;
  let left = x;
  for (const [kind, part] of parts.entries()) {
    const partWidth = width * part / tree.weights[node];
    context.fillStyle = kindColour(...TIME_KINDS[tree.kinds[kind].kind], dark.matches ? 8 : -18);
    context.fillRect(left, y, partWidth, STRIPE_HEIGHT);
    left += partWidth;
  }
}

function outline(node, ink) {
  const { x, y, width } = placeOf(node);
  context.strokeStyle = ink;
  context.lineWidth = 2;
  context.strokeRect(x + 1, y + 1, Math.max(width - 2, 1), ROW_HEIGHT - 3);
}

function redraw() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(draw);
}

/** The node at a place of the canvas, or -1. */
function nodeAt(x, y) {
  const row = tree.rows[Math.floor((y + scroller.scrollTop) / ROW_HEIGHT)];
  if (!row) return -1;
  // The last node of the row that starts at x or left of it.
  let [low, high] = [0, row.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const node = row[middle];
    const before = node < zoomed && zoomed >= tree.end[node];
    if (before || (node < tree.end[zoomed] && placeOf(node).x <= x)) low = middle + 1;
    else high = middle;
  }
  const node = row[low - 1] ?? -1;
  if (node < 0 || (node < zoomed && zoomed >= tree.end[node])) return -1;
  const { x: left, width } = placeOf(node);
  return x < left + width && width >= MIN_WIDTH ? node : -1;
}

const percent = (part, whole) => `${(whole ? part / whole * 100 : 0).toFixed(2)}%`;

const SCALES = {
  nanoseconds: [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]],
  bytes: [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "bytes"]],
};

function amount(weight) {
  const scales = SCALES[tree.unit];
  if (!scales) {
    const counted = tree.unit === "count" ? ` ${tree.event}` : "";
    return `${weight.toLocaleString("en")}${counted}`;
  }
  const [scale, unit] = scales.find(([scale]) => weight >= scale) ?? scales.at(-1);
  return `${(weight / scale).toLocaleString("en", { maximumFractionDigits: 2 })} ${unit}`;
}

/** What is to say of a node, a line each. */
function describe(node) {
  const { frames, weights, samples, self, functionKinds, total, others, otherTotal, parts } = tree;
  const [symbol, file] = data.frames[frames[node]];
  const lines = [symbol];
  if (node > 0 && file) lines.push(`${KINDS[functionKinds[node]]?.[0] ?? ""}: ${file}`);
  if (others) {
    const change = changeOf(node);
    lines.push(
      `${percent(weights[node], total)} ${tree.name}, ` +
        `${percent(others[node], otherTotal)} ${tree.otherName}: ` +
        `${change < 0 ? "−" : "+"}${Math.abs(change * 100).toFixed(2)} points`,
    );
  } else {
    const shared = `${percent(weights[node], total)} of ${amount(total)}`;
    const zoom = zoomed > 0 ? `, ${percent(weights[node], weights[zoomed])} of what is shown` : "";
    lines.push(`${shared}${zoom}`);
    if (parts) {
      const times = parts.map((part, kind) => [part[node], tree.kinds[kind].name])
        .filter(([time]) => time > 0).map(([time, name]) => `${amount(time)} ${name}`);
      lines.push(`${times.join(", ")}; itself ${percent(self[node], total)}`);
      return lines;
    }
    const plural = samples[node] === 1 ? "" : "s";
    lines.push(
      `${samples[node].toLocaleString("en")} sample${plural}` +
        (tree.unit === "samples" ? "" : `, ${amount(weights[node])}`) +
        `; itself ${percent(self[node], total)}`,
    );
  }
  return lines;
}

function point(event) {
  const box = canvas.getBoundingClientRect();
  const node = nodeAt(event.clientX - box.left, event.clientY - box.top);
  if (node !== hovered) {
    hovered = node;
    redraw();
  }
  tooltip.hidden = node < 0;
  if (node < 0) return;
  tooltip.textContent = describe(node).join("\n");
  const { width, height } = tooltip.getBoundingClientRect();
  const x = Math.min(event.clientX + 14, innerWidth - width - 8);
  const below = event.clientY + 18;
  const y = below + height < innerHeight ? below : event.clientY - height - 10;
  tooltip.style.left = `${Math.max(x, 4)}px`;
  tooltip.style.top = `${Math.max(y, 4)}px`;
}

function leave() {
  hovered = -1;
  tooltip.hidden = true;
  redraw();
}

function zoom(node) {
  zoomed = node;
  byId("reset").disabled = node === 0;
  leave();
  focus(node);
}

function focus(node) {
  focused = node;
  const top = tree.depths[node] * ROW_HEIGHT;
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  const lowest = top + ROW_HEIGHT - scroller.clientHeight;
  if (lowest > scroller.scrollTop) scroller.scrollTop = lowest;
  status.textContent = describe(node).join(" · ");
  redraw();
}

/** The node beside `node` in its row, of those that the zoom shows. */
function beside(node, step) {
  const row = tree.rows[tree.depths[node]];
  const other = row[row.indexOf(node) + step];
  return other !== undefined && other >= zoomed && other < tree.end[zoomed] ? other : node;
}

/** The widest child. */
function below(node) {
  if (node < zoomed) return tree.rows[tree.depths[node] + 1].findLast((child) => child <= zoomed);
  let widest = node;
  for (let i = node + 1; i < tree.end[node]; i = tree.end[i]) {
    if (widest === node || tree.weights[i] > tree.weights[widest]) widest = i;
  }
  return widest;
}

const KEYS = {
  ArrowUp: () => focus(Math.max(tree.parents[focused], 0)),
  ArrowDown: () => focus(below(focused)),
  ArrowLeft: () => focus(beside(focused, -1)),
  ArrowRight: () => focus(beside(focused, 1)),
  Home: () => focus(0),
  Enter: () => zoom(focused),
  " ": () => zoom(focused),
};

function search(text) {
  const words = text.toLowerCase();
  found = words ? names.map((name) => name.toLowerCase().includes(words)) : undefined;
  let matched = 0;
  // What is below a match is in it, and not counted again.
  for (let i = 1; found && i < tree.depths.length;) {
    if (found[tree.frames[i]]) matched += tree.weights[i];
    i = found[tree.frames[i]] ? tree.end[i] : i + 1;
  }
  byId("matched").textContent = found ? `${percent(matched, tree.total)} matched` : "";
  redraw();
}

function show(index) {
  view = data.views[index];
  chosen = view.kinds?.map(({ isHidden }) => isHidden ? 0 : 1) ?? [];
  showChosen();
  zoom(0);
}

/** Shows another choice of kinds of the same tree, and what was zoomed into. */
function choose(kind, isChosen) {
  const node = tree.nodes[zoomed];
  chosen[kind] = isChosen ? 1 : 0;
  showChosen();
  zoom(Math.max(tree.nodes.indexOf(node), 0));
}

function showChosen() {
  tree = layOut(ofChosenKinds(view));
  zoomed = 0;
  hovered = -1;
  const counted = tree.unit === "samples" ? "" : `, ${amount(tree.total)}`;
  const left = tree.prunedShare
    ? `; without frames below ${Number((tree.prunedShare * 100).toPrecision(2))}%`
    : "";
  byId("summary").textContent = tree.kinds
    ? `${amount(tree.total)} of ${tree.event}${left}`
    : `${tree.samples[0].toLocaleString("en")} samples${counted}${left}`;
  resize();
  search(byId("search").value);
}

/** The boxes that choose the kinds of time, with their totals. */
function kindBoxes() {
  const { kinds = [], parts, total } = view;
  byId("kinds").hidden = kinds.length === 0;
  byId("legend").hidden = kinds.length > 0;
  byId("kinds").querySelectorAll("label").forEach((label) => label.remove());
  byId("kinds").append(...kinds.map(({ kind, name }, index) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    const patch = document.createElement("i");
    box.type = "checkbox";
    if (kind === "idle") label.title = IDLE_RULE;
    box.checked = chosen[index] === 1;
    box.addEventListener("change", () => choose(index, box.checked));
    patch.style.background = kindColour(...TIME_KINDS[kind]);
    const time = parts[index][0];
    label.append(box, patch, `${name} ${amount(time)} (${percent(time, total)})`);
    return label;
  }));
}

function resize() {
  // Behind the canvas, which sticks to the top of what scrolls.
  const rest = tree.rows.length * ROW_HEIGHT - scroller.clientHeight;
  byId("spacer").style.height = `${Math.max(rest, 0)}px`;
  redraw();
}

function legend() {
  kindBoxes();
  const items = tree.others
    ? ["more", "less"].map((way) => [`${way} than before`, changeColour(way, 1)])
    : Object.entries(KINDS)
      .filter(([kind]) => tree.functionKinds.includes(kind, 1))
      .map(([, [name, hue, saturation]]) => [name, kindColour(hue, saturation)]);
  byId("legend").replaceChildren(...items.map(([name, background]) => {
    const item = document.createElement("li");
    const patch = document.createElement("i");
    patch.style.background = background;
    item.append(patch, name);
    return item;
  }));
}

canvas.addEventListener("mousemove", point);
canvas.addEventListener("mouseleave", leave);
canvas.addEventListener("click", () => hovered >= 0 && zoom(hovered));
canvas.addEventListener("focus", () => focus(focused));
canvas.addEventListener("blur", redraw);
canvas.addEventListener("keydown", (event) => {
  const act = !event.ctrlKey && !event.metaKey && !event.altKey && KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
scroller.addEventListener("scroll", leave);
document.addEventListener("mousedown", () => byKeyboard = false, true);
document.addEventListener("keydown", () => byKeyboard = true, true);
document.addEventListener("keydown", (event) => {
  const inSearch = document.activeElement === byId("search");
  if (event.key === "/" && !inSearch) {
    event.preventDefault();
    byId("search").focus();
  }
  if (event.key !== "Escape") return;
  if (inSearch) {
    byId("search").value = "";
    search("");
    canvas.focus();
  } else {
    zoom(0);
  }
});
byId("search").addEventListener("input", (event) => search(event.target.value));
byId("reset").addEventListener("click", () => zoom(0));
byId("view").addEventListener("change", (event) => {
  show(Number(event.target.value));
  legend();
});
dark.addEventListener("change", () => {
  legend();
  redraw();
});
new ResizeObserver(() => resize()).observe(scroller);

byId("view").append(...data.views.map(({ name }, index) => new Option(name, String(index))));
byId("view-label").hidden = data.views.length < 2;
byId("view-name").textContent = data.viewName;
byId("notes").hidden = data.notes.length === 0;
byId("notes").textContent = data.notes.join("\n");
show(0);
legend();
