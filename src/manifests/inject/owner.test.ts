import { expect, test } from "bun:test";
import type { OwnerReference } from "#kube/types";
import { type FindOwners, ownerLabel, resolveOwner } from "./owner.ts";

const ref = (kind: string, name: string): OwnerReference => ({ apiVersion: "apps/v1", kind, name, uid: "u" });

const CASES: readonly [says: string, own: OwnerReference[], above: OwnerReference[] | undefined, expected: string][] = [
  ["no owner", [], undefined, "pod/web-1"],
  ["two owners", [ref("ReplicaSet", "a"), ref("Job", "b")], undefined, "pod/web-1"],
  ["a Deployment's ReplicaSet", [ref("ReplicaSet", "web-7d")], [ref("Deployment", "web")], "deployment/web"],
  ["a Rollout's ReplicaSet", [ref("ReplicaSet", "web-7d")], [ref("Rollout", "web")], "replicaset/web-7d"],
  ["a ReplicaSet by itself", [ref("ReplicaSet", "web")], [], "replicaset/web"],
  ["a ReplicaSet that is gone", [ref("ReplicaSet", "web")], undefined, "replicaset/web"],
  ["a CronJob's Job", [ref("Job", "tidy-1")], [ref("CronJob", "tidy")], "cronjob/tidy"],
  ["a Job by itself", [ref("Job", "tidy")], [], "job/tidy"],
  ["a StatefulSet", [ref("StatefulSet", "db")], undefined, "statefulset/db"],
];

for (const [says, own, above, expected] of CASES) {
  test(`resolveOwner(): ${says} is ${expected}`, async () => {
    const find: FindOwners = async () => above;
    const { kind, name } = await resolveOwner({ name: "web-1", ownerReferences: own }, "shop", find);
    expect(`${kind}/${name}`).toBe(expected);
  });
}

test("ownerLabel() names six kinds for pods, and a CronJob only in its own template", () => {
  expect(ownerLabel("deployment", false)).toBe("linkerd.io/proxy-deployment");
  expect(ownerLabel("cronjob", false)).toBeUndefined();
  expect(ownerLabel("cronjob", true)).toBe("linkerd.io/proxy-cronjob");
  expect(ownerLabel("rollout", false)).toBeUndefined();
});
