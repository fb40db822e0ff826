import type { Metrics } from "./metrics.ts";
import type { ReadinessProbe } from "./readiness.ts";

/** Answers `/metrics`, `/healthz` and `/readyz`. */
export function createHttpHandler(
  metrics: Metrics,
  readiness: ReadinessProbe,
): (request: Request) => Promise<Response> {
  return async (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return text(405, "only GET is answered here\n", { allow: "GET, HEAD" });
    }
    switch (new URL(request.url).pathname) {
      case "/healthz":
        return text(200, "ok\n");
      case "/readyz": {
        const { ready, report } = await readiness.get();
        return text(ready ? 200 : 503, report);
      }
      case "/metrics": {
        const { text: body, contentType } = await metrics.render();
        return new Response(body, { headers: { "content-type": contentType } });
      }
      default:
        return text(404, "there is /metrics, /healthz and /readyz\n");
    }
  };
}

function text(status: number, body: string, headers: Record<string, string> = {}): Response {
  return new Response(body, { status, headers: { "content-type": "text/plain", ...headers } });
}
