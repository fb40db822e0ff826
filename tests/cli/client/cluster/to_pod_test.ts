import assert from "node:assert/strict";
import { toPod } from "../../../../cli/client/cluster/to_pod.ts";

const metadata = { name: "web-0", namespace: "shop" };

Deno.test("toPod: reads CPU limits and requests, of containers and of the pod", () => {
  const resources = { limits: { cpu: "200m", memory: "64Mi" }, requests: { cpu: "10m" } };
  const pod = toPod({
    metadata,
    spec: { containers: [{ name: "app", resources }], resources: { limits: { cpu: "1" } } },
  });
  assert.equal(pod.cpuLimit, 1);
  assert.equal(pod.containers[0].cpuLimit, 0.2);
  assert.equal(pod.containers[0].cpuRequest, 0.01);
});

Deno.test("toPod: takes the limit that counts now for the one that is on its way", () => {
  const pod = toPod({
    metadata,
    spec: { containers: [{ name: "app", resources: { limits: { cpu: "2" } } }] },
    status: {
      containerStatuses: [{
        name: "app",
        image: "app",
        imageID: "",
        ready: true,
        restartCount: 0,
        resources: { limits: { cpu: "500m" } },
      }],
    },
  });
  assert.equal(pod.containers[0].cpuLimit, 0.5);
});

Deno.test("toPod: a container without a limit has none", () => {
  const [container] = toPod({ metadata, spec: { containers: [{ name: "app" }] } }).containers;
  assert.ok(!("cpuLimit" in container) && !("cpuRequest" in container));
});
