import {
  ApiError,
  CONFIG_MAPS,
  clusterScoped,
  type KubeObject,
  NAMESPACES,
  NODES,
  type ResourceType,
  SELF_SUBJECT_ACCESS_REVIEWS,
} from "#kube";
import { controlPlaneObjects, defaultValues, type Manifest } from "#manifests/install";
import { identityCredentials, webhookCredentials } from "../credentials.ts";
import { layered } from "../values-layers.ts";
import { type Category, type Check, SkipCheck } from "./engine.ts";
import type { Facts } from "./facts.ts";

const MAX_CLOCK_SKEW_MS = 5 * 60 * 1000 + 10_000; // what certificates forgive, and a little

/** May this cluster, and this user, take the control plane? */
export function preInstall(facts: Facts): Category {
  const creatable = [
    ["", "serviceaccounts", "ServiceAccounts"],
    ["", "services", "Services"],
    ["apps", "deployments", "Deployments"],
    ["batch", "cronjobs", "CronJobs"],
    ["", "configmaps", "ConfigMaps"],
    ["", "secrets", "Secrets"],
  ] as const;
  return {
    id: "pre-kubernetes-setup",
    checks: [
      {
        description: "control plane namespace does not already exist",
        hint: "pre-ns",
        run: async () => {
          if (await (await facts.client()).get(NAMESPACES, facts.namespace)) {
            throw new Error(`The "${facts.namespace}" namespace already exists`);
          }
        },
      },
      {
        description: "can create non-namespaced resources",
        hint: "pre-k8s-cluster-k8s",
        run: () => dryRunClusterObjects(facts),
      },
      ...creatable.map(
        ([group, plural, kinds]): Check => ({
          description: `can create ${kinds}`,
          hint: "pre-k8s",
          run: () => requireAccess(facts, "create", group, plural),
        }),
      ),
      { description: "can read Secrets", hint: "pre-k8s", run: () => requireAccess(facts, "get", "", "secrets") },
      {
        description: "can read extension-apiserver-authentication configmap",
        hint: "pre-k8s",
        run: () => requireRequestHeaderCa(facts),
      },
      { description: "no clock skew detected", hint: "pre-k8s-clock-skew", warning: true, run: () => clockSkew(facts) },
    ],
  };
}

async function dryRunClusterObjects(facts: Facts): Promise<void> {
  const base = defaultValues();
  const identity = layered(base, await identityCredentials(base, {}, facts.namespace, facts.nowMs));
  const values = layered(identity, await webhookCredentials(identity, facts.namespace, facts.nowMs));
  const refusals: string[] = [];
  for (const object of controlPlaneObjects(values, { namespace: facts.namespace })) {
    if (object.metadata.namespace !== undefined || object.kind === "Namespace") continue;
    const refusal = await dryRun(facts, object);
    if (refusal) refusals.push(`cannot create ${object.kind}/${object.metadata.name}: ${refusal}`);
  }
  if (refusals.length > 0) throw new Error(refusals.join("\n"));
}

async function dryRun(facts: Facts, object: Manifest): Promise<string | undefined> {
  try {
    await (await facts.client()).create(typeOf(object), object as unknown as KubeObject, { dryRun: true });
    return undefined;
  } catch (failure) {
    if (failure instanceof ApiError && failure.reason === "AlreadyExists") return undefined;
    return failure instanceof Error ? failure.message : String(failure);
  }
}

function typeOf({ apiVersion, kind }: Manifest): ResourceType {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  return clusterScoped(group!, version!, `${kind.toLowerCase()}s`, kind);
}

async function requireAccess(facts: Facts, verb: string, group: string, resource: string): Promise<void> {
  const attributes = { namespace: facts.namespace, verb, group, resource };
  const review = await (await facts.client()).create(SELF_SUBJECT_ACCESS_REVIEWS, {
    metadata: {},
    spec: { resourceAttributes: attributes },
  });
  if (review.status?.allowed) return;
  const why = review.status?.reason ? `: ${review.status.reason}` : "";
  throw new Error(`not authorized to access ${resource}${group ? `.${group}` : ""}${why}`);
}

async function requireRequestHeaderCa(facts: Facts): Promise<void> {
  const map = await (await facts.client()).get(CONFIG_MAPS, "extension-apiserver-authentication", "kube-system");
  if (!map?.data?.["requestheader-client-ca-file"]) throw new Error("--requestheader-client-ca-file is not configured");
}

async function clockSkew(facts: Facts): Promise<void> {
  const { items } = await (await facts.client()).list(NODES);
  const off: string[] = [];
  let seen = 0;
  for (const { metadata, status } of items) {
    const beat = status?.conditions?.find((condition) => condition.type === "Ready")?.lastHeartbeatTime;
    if (!beat) continue;
    seen++;
    // A heartbeat may be five minutes old; one from the future or older than that means clocks disagree.
    if (Math.abs(facts.nowMs - Date.parse(beat)) > MAX_CLOCK_SKEW_MS) off.push(metadata.name);
  }
  if (seen === 0) throw new SkipCheck();
  if (off.length > 0) throw new Error(`clock skew detected for node(s): ${off.join(", ")}`);
}
