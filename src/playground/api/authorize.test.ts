import { expect, test } from "bun:test";
import { Store } from "../store/store.ts";
import { type Access, Authorizer, type PolicyRule } from "./authorize.ts";
import { serviceAccountUser } from "./tokens.ts";
import { systemUser } from "./users.ts";

const RBAC = "rbac.authorization.k8s.io";
const user = serviceAccountUser("ns", "sa");

/** Whether the service account ns/sa may do something when one role with `rules` is bound to it. */
function allows(rules: PolicyRule[], access: Access, scope: "cluster" | "namespace" = "cluster"): boolean {
  const store = new Store();
  store.create(`clusterroles.${RBAC}`, { metadata: { name: "r" }, rules });
  const binding = {
    roleRef: { kind: "ClusterRole", name: "r" },
    subjects: [{ kind: "ServiceAccount", name: "sa", namespace: "ns" }],
  };
  if (scope === "cluster") store.create(`clusterrolebindings.${RBAC}`, { metadata: { name: "b" }, ...binding });
  else store.create(`rolebindings.${RBAC}`, { metadata: { name: "b", namespace: "ns" }, ...binding });
  return new Authorizer(store).isAllowed(user, access);
}

const PODS: PolicyRule[] = [{ verbs: ["get", "list"], apiGroups: [""], resources: ["pods"] }];

test("nothing is allowed without a rule, everything to system:masters", () => {
  const authorizer = new Authorizer(new Store());
  expect(authorizer.isAllowed(user, { verb: "get", resource: "pods" })).toBe(false);
  expect(authorizer.isAllowed(systemUser("x"), { verb: "delete", resource: "pods" })).toBe(true);
});

test("verb, group, resource and namespace must all fit", () => {
  expect(allows(PODS, { verb: "get", group: "", resource: "pods", namespace: "any" })).toBe(true);
  expect(allows(PODS, { verb: "delete", group: "", resource: "pods" })).toBe(false);
  expect(allows(PODS, { verb: "get", group: "apps", resource: "pods" })).toBe(false);
  expect(allows(PODS, { verb: "get", group: "", resource: "pods", namespace: "ns" }, "namespace")).toBe(true);
  expect(allows(PODS, { verb: "get", group: "", resource: "pods", namespace: "other" }, "namespace")).toBe(false);
  expect(allows(PODS, { verb: "list", group: "", resource: "pods" }, "namespace")).toBe(false);
});

test("a subresource needs its own rule", () => {
  const log = { verb: "get", group: "", resource: "pods", subresource: "log" };
  expect(allows(PODS, log)).toBe(false);
  expect(allows([{ verbs: ["get"], apiGroups: [""], resources: ["pods/log"] }], log)).toBe(true);
  expect(allows([{ verbs: ["get"], apiGroups: [""], resources: ["*/log"] }], log)).toBe(true);
  expect(allows([{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }], log)).toBe(true);
});

test("resourceNames narrow to named objects, so lists are refused", () => {
  const rules = [{ verbs: ["get", "list"], apiGroups: [""], resources: ["secrets"], resourceNames: ["one"] }];
  expect(allows(rules, { verb: "get", group: "", resource: "secrets", name: "one" })).toBe(true);
  expect(allows(rules, { verb: "get", group: "", resource: "secrets", name: "two" })).toBe(false);
  expect(allows(rules, { verb: "list", group: "", resource: "secrets" })).toBe(false);
});

test("paths match exactly or by a trailing star, and resource rules never open them", () => {
  const rules = [{ verbs: ["get"], nonResourceURLs: ["/metrics", "/logs/*"] }];
  expect(allows(rules, { verb: "get", path: "/metrics" })).toBe(true);
  expect(allows(rules, { verb: "get", path: "/metrics/x" })).toBe(false);
  expect(allows(rules, { verb: "get", path: "/logs/a/b" })).toBe(true);
  expect(allows([{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }], { verb: "get", path: "/metrics" })).toBe(false);
});
