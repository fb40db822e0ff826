import assert from "node:assert/strict";
import { describeApiFailure } from "../../../../cli/client/cluster/api_failure.ts";
import { ExitStatus } from "../../../../cli/errors.ts";

const SERVER = { server: "https://api.example:6443", origin: "context dev of kubeconfig" };
const GET = { ...SERVER, verb: "get", resource: "pods", namespace: "shop", name: "web-0" } as const;
const LIST = { ...SERVER, verb: "list", resource: "pods", namespace: "necoperf" } as const;
const TOKEN = {
  ...SERVER,
  verb: "create",
  resource: "serviceaccounts/token",
  namespace: "shop",
  name: "profiler",
} as const;

Deno.test("describeApiFailure: a pod that does not exist", () => {
  const error = describeApiFailure(GET, { httpStatus: 404, message: 'pods "web-0" not found' });
  assert.equal(error.exitStatus, ExitStatus.NOT_FOUND);
  assert.match(
    error.message,
    /no pod shop\/web-0: pods "web-0" not found \(context dev of kubeconfig\).*kubectl get pods -n/,
  );
});

Deno.test("describeApiFailure: a workload: that does not exist, and that may not be read", () => {
  const request = { ...GET, resource: "deployments", apiGroup: "apps" };
  const message = 'deployments.apps "web-0" not found';
  const missing = describeApiFailure(request, { httpStatus: 404, message });
  assert.equal(missing.exitStatus, ExitStatus.NOT_FOUND);
  assert.match(
    missing.message,
    /no deployment shop\/web-0: deployments\.apps "web-0" not found .*kubectl get deployments\.apps/,
  );
  const forbidden = describeApiFailure(request, { httpStatus: 403, message: "" });
  assert.equal(forbidden.exitStatus, ExitStatus.NOT_ALLOWED);
  assert.match(forbidden.message, /not allowed to get deployments\.apps web-0 in namespace shop/);
  assert.match(
    forbidden.message,
    /\{apiGroups: \[apps\], resources: \[deployments\], verbs: \[get\]\}\n.*-l/,
  );
});

Deno.test("describeApiFailure: a selector that the API server does not understand", () => {
  const error = describeApiFailure(LIST, { httpStatus: 400, message: "unable to parse" });
  assert.equal(error.exitStatus, ExitStatus.USAGE);
  assert.match(error.message, /selector: unable to parse/);
});

Deno.test("describeApiFailure: a missing right: verb, resource, namespace, and the rule that gives it", () => {
  const error = describeApiFailure(LIST, { httpStatus: 403, message: 'User "tenant" cannot' });
  assert.equal(error.exitStatus, ExitStatus.NOT_ALLOWED);
  assert.match(error.message, /not allowed to list pods in namespace necoperf \(User "tenant"/);
  assert.match(error.message, /Role in namespace necoperf .*resources: \[pods\], verbs: \[list\]/);
});

Deno.test("describeApiFailure: a missing right to have a token made: for the one service account", () => {
  const error = describeApiFailure(TOKEN, { httpStatus: 403, message: 'User "tenant" cannot' });
  assert.equal(error.exitStatus, ExitStatus.NOT_ALLOWED);
  assert.match(
    error.message,
    /not allowed to create serviceaccounts\/token profiler in namespace shop \(User "tenant"/,
  );
  assert(
    error.message.endsWith(
      '{apiGroups: [""], resources: [serviceaccounts/token], resourceNames: [profiler], ' +
        "verbs: [create]}",
    ),
    error.message,
  );
});

Deno.test("describeApiFailure: a service account that does not exist gives no token", () => {
  const error = describeApiFailure(TOKEN, { httpStatus: 404, message: "not found" });
  assert.equal(error.exitStatus, ExitStatus.NOT_ALLOWED);
  assert.match(error.message, /no service account shop\/profiler/);
});

Deno.test("describeApiFailure: credentials that are not accepted", () => {
  const error = describeApiFailure(GET, { httpStatus: 401, message: "Unauthorized" });
  assert.equal(error.exitStatus, ExitStatus.NOT_ALLOWED);
  assert.match(error.message, /credentials of context dev/);
});

Deno.test("describeApiFailure: a server that gives no answer, with the innermost cause", () => {
  const refused = new Error("connect ECONNREFUSED 10.0.0.1:6443");
  const noAnswer = new Error("fetch failed", { cause: new Error("inner", { cause: refused }) });
  const error = describeApiFailure(GET, { noAnswer });
  assert.equal(error.exitStatus, ExitStatus.UNREACHABLE);
  assert.match(error.message, /https:\/\/api\.example:6443 .*: connect ECONNREFUSED 10\.0\.0\.1/);
});

Deno.test("describeApiFailure: a server in trouble, and anything else", () => {
  const trouble = describeApiFailure(LIST, { httpStatus: 503, message: "etcd is away" });
  assert.equal(trouble.exitStatus, ExitStatus.UNREACHABLE);
  assert.match(trouble.message, /HTTP 503, etcd is away/);
  assert.equal(
    describeApiFailure(LIST, { httpStatus: 418, message: "" }).exitStatus,
    ExitStatus.OTHER,
  );
});

Deno.test("describeApiFailure: a port-forward: of a pod that does not exist, and that is not allowed", () => {
  const request = {
    ...{ ...SERVER, verb: "get", resource: "pods/portforward" } as const,
    ...{ namespace: "necoperf", name: "daemon-1" },
  };
  const missing = describeApiFailure(request, { httpStatus: 404, message: "" });
  assert.equal(missing.exitStatus, ExitStatus.NOT_FOUND);
  assert.match(
    missing.message,
    /there is no pod necoperf\/daemon-1: .*kubectl get pods -n necoperf/,
  );
  const forbidden = describeApiFailure(request, { httpStatus: 403, message: "no" });
  assert.equal(
    forbidden.message,
    "not allowed to get pods/portforward in namespace necoperf (no)\n" +
      "a Role in namespace necoperf with this rule, bound to that user, allows it: " +
      '{apiGroups: [""], resources: [pods/portforward], verbs: [get, create]}',
  );
  const refused = describeApiFailure(request, {
    httpStatus: 400,
    message: "Upgrade request required",
  });
  assert.match(refused.message, /HTTP 400, Upgrade request required\n.*WebSockets/);
  const broken = describeApiFailure(request, { httpStatus: 500, message: "no" });
  assert.doesNotMatch(broken.message, /WebSockets/);
});
