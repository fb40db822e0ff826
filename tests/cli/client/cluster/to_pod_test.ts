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

Deno.test("toPod: leaves no control character of an API server, and no address that is none", () => {
  const evil = "a\x1b[2J\r\nerror: forged\u202e";
  const escaped = "a\\x1b[2J\\r\\nerror: forged\\u202e";
  const pod = toPod({
    metadata: { name: evil, namespace: evil },
    spec: {
      nodeName: evil,
      containers: [{ name: evil, ports: [{ name: evil, containerPort: 1 }] }],
    },
    status: {
      ...{ phase: evil, reason: evil, podIP: "127.0.0.1:1/..?#" },
      containerStatuses: [{
        ...{ name: evil, image: "", imageID: "", ready: false, restartCount: 0 },
        containerID: `containerd://${evil}`,
        state: { waiting: { reason: evil, message: evil } },
      }],
    },
  });
  const [container] = pod.containers;
  const { name, namespace, nodeName, phase, reason } = pod;
  for (const text of [name, namespace, nodeName, phase, reason, container.name, container.id]) {
    assert.equal(text, escaped);
  }
  assert.deepEqual(container.state, { is: "waiting", reason: escaped, message: escaped });
  assert.deepEqual(container.ports, { [escaped]: 1 });
  assert.equal(pod.ip, undefined);
  assert.equal(toPod({ status: { podIP: "::1" } }).ip, "::1");
});
