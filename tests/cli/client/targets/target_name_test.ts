import assert from "node:assert/strict";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";
import { formatTargetName, parseTargetName } from "../../../../cli/client/targets/target_name.ts";

const NAMES = {
  "pod/x": ["x", "po/x", "pod/x", "pods/x", "Pod/x"],
  "deployments.apps/x": [
    ...["deploy/x", "deployment/x", "deployments/x", "Deployment/x", "deploy.apps/x"],
    ...["deployment.apps/x", "deployments.apps/x", "deployments.v1.apps/x"],
  ],
  "statefulsets.apps/x": ["sts/x", "statefulset/x", "statefulsets/x", "statefulset.apps/x"],
  "daemonsets.apps/x": ["ds/x", "daemonset/x", "daemonsets/x", "daemonsets.apps/x"],
  "replicasets.apps/x": ["rs/x", "replicaset/x", "replicasets/x", "replicasets.apps/x"],
  "jobs.batch/x": ["job/x", "jobs/x", "job.batch/x", "jobs.v1.batch/x"],
  "services/x": ["svc/x", "service/x", "services/x"],
  "replicationcontrollers/x": ["rc/x", "replicationcontroller/x", "replicationcontrollers/x"],
};

Deno.test("formatTargetName: types in the singular or plural or short, with their group or not", () => {
  for (const [name, texts] of Object.entries(NAMES)) {
    for (const text of texts) assert.equal(formatTargetName(parseTargetName(text)), name, text);
  }
});

function refuses(text: string, words: RegExp) {
  assert.throws(() => parseTargetName(text), (error) => {
    assert(error instanceof CliError);
    assert.equal(error.exitStatus, ExitStatus.USAGE);
    assert.match(error.message, words);
    return true;
  }, text);
}

Deno.test("formatTargetName: refuses other forms, other types and invalid names", () => {
  refuses("foo/x", /cannot profile 'foo\/x': .*deployment, statefulset.*-l/);
  // kubectl finds the object and then no pods of it.
  refuses("cronjob/x", /cannot profile/);
  refuses("deployments.extensions/x", /cannot profile/);
  refuses("deploy/a/b", /more than one slash/);
  refuses("deploy/", /'' is not the name of a deployment/);
  refuses("/x", /cannot profile/);
  refuses("Web_0", /not the name of a pod/);
  refuses("pod/..", /not the name of a pod/);
  refuses("deploy/A", /not the name of a deployment/);
});
