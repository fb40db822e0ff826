import type { Metrics } from "./metrics.ts";
import type { ReadinessProbe } from "./readiness.ts";

/** Answers a request for a path. */
type HttpHandler = (method: string, path: string) => Promise<{
  status: number;
  headers: Record<string, string>;
  body: string;
}>;

/** Answers `/metrics`, `/healthz` and `/readyz`. */
export function createHttpHandler(metrics: Metrics, readiness: ReadinessProbe): HttpHandler {
  return async (method, path) => {
    if (method !== "GET" && method !== "HEAD") {
      return text(405, "only GET is supported\n", { allow: "GET, HEAD" });
    }
    switch (path) {
      case "/healthz":
        return text(200, "ok\n");
      case "/readyz": {
        const { ready, report } = await readiness.get();
        return text(ready ? 200 : 503, report);
      }
      case "/metrics": {
        const { text: body, contentType } = await metrics.render();
        return { status: 200, headers: { "content-type": contentType }, body };
      }
      default:
        return text(404, "not found: use /metrics, /healthz or /readyz\n");
    }
  };
}

function text(status: number, body: string, headers: Record<string, string> = {}) {
  return { status, headers: { "content-type": "text/plain", ...headers }, body };
}
