/**
 * What happens when a deployment of 2,000 pods is profiled at once in a cluster of 5,000 nodes that
 * 100 tenants share: a simulation of the API calls and the queues, which is the same each time.
 *
 *     deno run -A bench/simulate.ts
 *
 * Each thing that requests go through is a station: it serves so many at a time, and the others
 * wait in line. The queue of the daemon is the daemon's own, with its limits; the times are what
 * `deno task bench` has measured, rounded up.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { parseArguments } from "../daemon/arguments.ts";
import { RecordingQueue } from "../daemon/recordings/recording_queue.ts";

const NODES = 5_000;
const PODS = 2_000;
const TENANTS = 100;
const DURATION_SECONDS = 30;

/** Of the API server, and for its processors. */
const API = {
  processors: 8,
  /** `--max-requests-inflight`: what is above is sent away with 429. */
  maxInFlight: 400,
  /** A GET, a review, a LIST of one node's pods from the cache. */
  requestSeconds: 0.003,
  /** The same LIST from etcd, for each pod of the namespace. */
  storedSecondsPerPod: 0.108 / 3_000,
};

/** Of one client: connecting, and unpacking and checking a result; and its network. */
const CLIENT = {
  processors: 4,
  connectSeconds: 0.02,
  resultSeconds: 0.05,
  megabitsPerSecond: 1_000,
};

/** Of a result of 30 s at 99 Hz of 2 busy threads, DWARF. */
const RESULT = { textMegabytes: 2.8, wireMegabytes: 0.08 };

/** What is left of perf script's work when the sampling ends. */
const CONVERSION_SECONDS = 0.3;

interface Scenario {
  name: string;
  /** Recordings that the client has on their way at the same time. */
  atATime: number;
  /** Where the API server takes the LIST of one node's daemon from. */
  listFrom: "cache" | "etcd";
  /** What of the result crosses the network. */
  wire: "compressed" | "text";
  /** On how many nodes the pods are. */
  onNodes: number;
  /** How many tenants have asked each of these nodes for a recording before. */
  othersOnEach: number;
}

const USUAL: Omit<Scenario, "name"> = {
  atATime: PODS,
  listFrom: "cache",
  wire: "compressed",
  onNodes: PODS,
  othersOnEach: 0,
};

const SCENARIOS: Scenario[] = [
  { name: "LIST from etcd, text", ...USUAL, listFrom: "etcd", wire: "text" },
  { name: "LIST from etcd", ...USUAL, listFrom: "etcd" },
  { name: "as it is, all at once", ...USUAL },
  { name: "as it is, 256 at a time", ...USUAL, atATime: 256 },
  { name: "as it is, 64 at a time", ...USUAL, atATime: 64 },
  { name: "on 50 nodes, all at once", ...USUAL, onNodes: 50 },
  { name: "on 50 nodes, 64 at a time", ...USUAL, onNodes: 50, atATime: 64 },
  { name: "8 tenants on each node before", ...USUAL, othersOnEach: 8 },
  { name: `all ${TENANTS} tenants on each node before`, ...USUAL, othersOnEach: TENANTS - 1 },
];

/** Lets things happen in the order of their time. */
class Clock {
  now = 0;
  /** The latest first. */
  readonly #events: { at: number; run: () => void }[] = [];

  after(seconds: number): Promise<void> {
    return new Promise((run) => {
      const at = this.now + seconds;
      const events = this.#events;
      let [low, high] = [0, events.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (events[middle].at > at) low = middle + 1;
        else high = middle;
      }
      events.splice(low, 0, { at, run });
    });
  }

  /** Goes on until nothing is left to happen. */
  async run(): Promise<void> {
    for (;;) {
      // All that the last event has set off is done first.
      await setImmediate();
      const next = this.#events.pop();
      if (!next) return;
      this.now = next.at;
      next.run();
    }
  }
}

/** Serves so many at a time, in the order in which they come. */
class Station {
  mostInside = 0;
  busySeconds = 0;
  #inside = 0;
  #free: number;
  readonly #line: (() => void)[] = [];

  constructor(private readonly clock: Clock, places: number) {
    this.#free = places;
  }

  async serve(seconds: number): Promise<void> {
    this.mostInside = Math.max(this.mostInside, ++this.#inside);
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((turn) => this.#line.push(turn));
    await this.clock.after(seconds);
    this.busySeconds += seconds;
    this.#inside--;
    const next = this.#line.shift();
    if (next) next();
    else this.#free++;
  }
}

async function simulate(scenario: Scenario): Promise<Record<string, string | number>> {
  const clock = new Clock();
  const api = new Station(clock, API.processors);
  const processors = new Station(clock, CLIENT.processors);
  const network = new Station(clock, 1);
  const limits = daemonLimits();
  const daemons = Array.from(
    { length: scenario.onNodes },
    () => new RecordingQueue(limits, () => clock.now * 1000),
  );
  let others = 0;
  let refused = 0;
  const ends: number[] = [];

  const record = async (node: number, owner: string, containerId: string) => {
    const recording = { owner, containerId, durationSeconds: DURATION_SECONDS };
    const never = new AbortController().signal;
    const leave = await daemons[node].enter(recording, never, () => {});
    await clock.after(DURATION_SECONDS + CONVERSION_SECONDS);
    leave();
  };
  const profile = async (pod: number) => {
    const node = pod % scenario.onNodes;
    await api.serve(API.requestSeconds);
    await api.serve(
      scenario.listFrom === "cache" ? API.requestSeconds : API.storedSecondsPerPod * NODES,
    );
    await processors.serve(CLIENT.connectSeconds);
    // The daemon asks who calls, whether they may, and which pods its node has.
    for (let request = 0; request < 3; request++) await api.serve(API.requestSeconds);
    try {
      await record(node, "the deployment's", `${pod}`);
    } catch {
      refused++;
      return;
    }
    const megabytes = scenario.wire === "text" ? RESULT.textMegabytes : RESULT.wireMegabytes;
    await network.serve(megabytes * 8 / CLIENT.megabitsPerSecond);
    await processors.serve(CLIENT.resultSeconds);
    ends.push(clock.now);
  };

  for (let node = 0; node < scenario.onNodes; node++) {
    for (let tenant = 0; tenant < scenario.othersOnEach; tenant++) {
      record(node, `tenant ${tenant}`, `other ${tenant}`).catch(() => others++);
    }
  }
  let next = 0;
  const worker = async () => {
    while (next < PODS) await profile(next++);
  };
  for (let place = 0; place < scenario.atATime; place++) void worker();
  await clock.run();
  return {
    "": scenario.name,
    "all done, s": ends.length > 0 ? Math.round(Math.max(...ends)) : "none is",
    "results": ends.length,
    "refused": refused,
    "others refused": others,
    "API server, CPU s": Math.round(api.busySeconds),
    "most requests in it": api.mostInside,
    "above its limit": api.mostInside > API.maxInFlight ? "yes" : "no",
    "network, s": Math.round(network.busySeconds),
    "client, CPU s": Math.round(processors.busySeconds),
  };
}

function daemonLimits(): { maxConcurrent: number; maxWaiting: number } {
  const invocation = parseArguments(["start", "--node-name", "n"], "");
  if (invocation.kind !== "start") throw new Error("the daemon does not start");
  const { maxConcurrent, maxQueue } = invocation.options;
  return { maxConcurrent, maxWaiting: maxQueue };
}

const rows = [];
for (const scenario of SCENARIOS) rows.push(await simulate(scenario));
const columns = Object.keys(rows[0]);
for (const cells of [columns, columns.map(() => "---"), ...rows.map((row) => Object.values(row))]) {
  console.log(`| ${cells.join(" | ")} |`);
}
