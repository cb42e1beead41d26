import { expect, test } from "bun:test";
import { decide, explain, type SkipReason } from "./decision.ts";
import { type Manifest, readWorkload } from "./workload.ts";

interface Case {
  readonly says: string;
  readonly ns?: string;
  readonly pod?: string;
  readonly spec?: Record<string, unknown>;
  readonly projectsToken?: boolean;
  readonly reasons: readonly SkipReason[];
  readonly at?: string;
}

const app = { name: "app", image: "app:1" };

const CASES: readonly Case[] = [
  { says: "an enabled namespace injects", ns: "enabled", reasons: [], at: "namespace" },
  { says: "an ingress namespace injects", ns: "ingress", reasons: [], at: "namespace" },
  { says: "a pod's word beats a disabled namespace", ns: "disabled", pod: "enabled", reasons: [], at: "workload" },
  { says: "an ingress pod injects by itself", pod: "ingress", reasons: [], at: "workload" },
  {
    says: "a disabled pod beats an enabled namespace",
    ns: "enabled",
    pod: "disabled",
    reasons: ["injection_disable_annotation_present"],
    at: "workload",
  },
  { says: "nobody asks", reasons: ["injection_enable_annotation_absent"], at: "" },
  { says: "a disabled namespace asks for nothing", ns: "disabled", reasons: ["injection_enable_annotation_absent"] },
  { says: "an illegal word at the namespace", ns: "yes", pod: "enabled", reasons: ["invalid_inject_annotation_at_ns"] },
  {
    says: "an illegal word at the pod",
    ns: "enabled",
    pod: "true",
    reasons: ["invalid_inject_annotation_at_workload"],
  },
  { says: "an empty word counts as none", ns: "enabled", pod: "", reasons: [], at: "namespace" },
  {
    says: "host network",
    ns: "enabled",
    spec: { hostNetwork: true, containers: [app] },
    reasons: ["host_network_enabled"],
  },
  {
    says: "reasons accumulate in order",
    spec: { hostNetwork: true, containers: [{ name: "linkerd-proxy", image: "x" }] },
    reasons: ["host_network_enabled", "sidecar_already_exists", "injection_enable_annotation_absent"],
  },
  {
    says: "a native sidecar counts",
    ns: "enabled",
    spec: { containers: [app], initContainers: [{ name: "linkerd-proxy", image: "x" }] },
    reasons: ["sidecar_already_exists"],
  },
  {
    says: "a proxy image from a mirror counts, whatever its container is called",
    ns: "enabled",
    spec: { containers: [app, { name: "p", image: "mirror:5000/linkerd/proxy:stable" }] },
    reasons: ["sidecar_already_exists"],
  },
  {
    says: "another proxy image does not",
    ns: "enabled",
    spec: { containers: [{ name: "p", image: "shop/linkerd-proxy:1" }] },
    reasons: [],
  },
  {
    says: "istio's init container counts",
    ns: "enabled",
    spec: { containers: [app], initContainers: [{ name: "istio-init", image: "x" }] },
    reasons: ["sidecar_already_exists"],
  },
  {
    says: "no token and none projected",
    ns: "enabled",
    projectsToken: false,
    spec: { containers: [app] },
    reasons: ["disabled_automount_service_account_token_account"],
  },
  {
    says: "an own token mount suffices where none is projected",
    ns: "enabled",
    projectsToken: false,
    spec: {
      containers: [
        { ...app, volumeMounts: [{ name: "t", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" }] },
      ],
    },
    reasons: [],
  },
];

for (const { says, ns, pod, spec, projectsToken = true, reasons, at } of CASES) {
  test(`decide(): ${says}`, () => {
    const object: Manifest = {
      kind: "Pod",
      metadata: { name: "web", ...(pod === undefined ? {} : { annotations: { "linkerd.io/inject": pod } }) },
      spec: spec ?? { containers: [app] },
    };
    const decision = decide({
      workload: readWorkload(object)!,
      namespaceAnnotations: ns === undefined ? {} : { "linkerd.io/inject": ns },
      projectsToken,
    });
    expect(decision.reasons).toEqual([...reasons]);
    expect(decision.isInjectable).toBe(reasons.length === 0);
    if (at !== undefined) expect(decision.annotationAt as string).toBe(at);
  });
}

test("decide() refuses what has no pod template, and says so", () => {
  const workload = readWorkload({ kind: "Service", metadata: { name: "web" }, spec: { ports: [] } })!;
  const decision = decide({ workload, namespaceAnnotations: { "linkerd.io/inject": "enabled" }, projectsToken: true });
  expect(decision.reasons).toEqual(["unsupported_resource"]);
  expect(explain(decision.reasons)).toBe("this resource kind is unsupported");
});
