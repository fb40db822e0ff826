import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** From a refusal to the longest recording with its conversion. */
const DURATION_BUCKETS_SECONDS = [0.1, 1, 5, 10, 30, 60, 120, 300, 600, 1200];

/** The daemon's metrics, in Prometheus' terms. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #recordings = new Counter({
    name: "necoperf_recordings_total",
    help: "Requests for a recording, by what became of them.",
    labelNames: ["outcome"],
    registers: [this.#registry],
  });
  readonly #durations = new Histogram({
    name: "necoperf_recording_duration_seconds",
    help: "Time from a request for a recording to its end, by what became of it.",
    labelNames: ["outcome"],
    buckets: DURATION_BUCKETS_SECONDS,
    registers: [this.#registry],
  });

  readonly #refusedConnections = new Counter({
    name: "necoperf_connections_refused_total",
    help: "Connections that were ended before they were served, by the reason.",
    labelNames: ["reason"],
    registers: [this.#registry],
  });

  /** `queue` is asked for its length whenever the metrics are read. */
  constructor(queue: { running: number; waiting: number }) {
    this.#gauge("necoperf_recordings_running", "Recordings that run.", () => queue.running);
    this.#gauge("necoperf_queue_length", "Recordings that wait for a place.", () => queue.waiting);
    this.#gauge(
      "process_resident_memory_bytes",
      "Resident memory size in bytes.",
      () => Deno.memoryUsage().rss,
    );
  }

  /** Counts a request for a recording. `outcome` is its completeness or its gRPC status. */
  recordingEnded(outcome: string, durationSeconds: number): void {
    this.#recordings.inc({ outcome });
    this.#durations.observe({ outcome }, durationSeconds);
  }

  /** Counts a connection that was not served. */
  connectionRefused(reason: string): void {
    this.#refusedConnections.inc({ reason });
  }

  /** Says whether everybody may profile everything. */
  authDisabled(disabled: boolean): void {
    this.#gauge(
      "necoperf_auth_disabled",
      "1 when everybody who reaches the daemon may profile everything (--auth=none).",
      () => disabled ? 1 : 0,
    );
  }

  /** Says when the TLS certificate expires. */
  certificateExpiry(seconds: () => number): void {
    this.#gauge(
      "necoperf_tls_certificate_expiry_seconds",
      "When the TLS certificate in use expires, in seconds since 1970.",
      seconds,
    );
  }

  /** Says how many results are kept, and how much room they take. */
  resultsKept(store: { count: number; sizeBytes: number }): void {
    this.#gauge("necoperf_results", "Results in the work directory.", () => store.count);
    this.#gauge(
      "necoperf_results_size_bytes",
      "Bytes that results take in the work directory.",
      () => store.sizeBytes,
    );
  }

  /** Says which perf and which kernel the daemon has found, and whether they belong together. */
  versions(perfVersion: string, kernelVersion: string, trusted: boolean): void {
    new Gauge({
      name: "necoperf_perf_info",
      help: "The versions of perf and of the kernel.",
      labelNames: ["perf_version", "kernel_version"],
      registers: [this.#registry],
    }).set({ perf_version: perfVersion, kernel_version: kernelVersion }, 1);
    this.#gauge(
      "necoperf_perf_version_trusted",
      "1 when perf is of about the kernel's release, 0 when they are too far apart to trust.",
      () => trusted ? 1 : 0,
    );
  }

  /** Says whether perf can record on this node. */
  perfUsable(usable: () => boolean): void {
    this.#gauge(
      "necoperf_perf_usable",
      "1 when perf can record on this node.",
      () => usable() ? 1 : 0,
    );
  }

  /** The metrics as text, with the content type for it. */
  async render(): Promise<{ text: string; contentType: string }> {
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }

  #gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(value());
      },
    });
  }
}
