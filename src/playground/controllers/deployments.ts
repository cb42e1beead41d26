import { type Deployment, type PodTemplateSpec, type ReplicaSet, selectorMatches } from "#kube/types";
import { cloneObject, type KubeObject, sameJson } from "../store/object.ts";
import {
  type Controller,
  type ControllerContext,
  controlledBy,
  controllerOf,
  ownedBy,
  splitKey,
  timestamp,
} from "./controller.ts";
import { deploymentStatus, progressLeftMs } from "./deployment-status.ts";
import { follow, queueOwner } from "./follow.ts";
import { adopt, type PodObject } from "./pods.ts";
import { bounds, nextScales, type SetCounts } from "./rollout.ts";
import { templateHash } from "./template-hash.ts";
import { WorkQueue } from "./work-queue.ts";

const RESOURCE = "deployments.apps";
const SETS = "replicasets.apps";
const REVISION = "deployment.kubernetes.io/revision";
const HASH_LABEL = "pod-template-hash";

type DeploymentObject = Deployment & KubeObject;
type SetObject = ReplicaSet & KubeObject;

/** Rolls each Deployment's template out through ReplicaSets. */
export const deployments: Controller = (context) => {
  const queue = new WorkQueue("deployment", context, (key) => reconcile(context, queue, key));
  const stop = follow(context, queue, { kind: "Deployment", resource: RESOURCE, owned: SETS });
  // Recreate waits for the old pods to be gone, which no ReplicaSet's status tells.
  const stopPods = context.client.watch("pods", {}, ({ type, object }) => {
    const owner = controllerOf(object);
    if (owner?.kind !== "ReplicaSet" || type !== "DELETED") return;
    const set = context.client.get(SETS, object.metadata.namespace, owner.name);
    if (set) queueOwner(queue, "Deployment", set);
  });
  return () => {
    stopPods();
    stop();
  };
};

async function reconcile(context: ControllerContext, queue: WorkQueue, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const deployment = context.client.get(RESOURCE, namespace, name) as DeploymentObject | undefined;
  if (!deployment) return;
  if (!deployment.metadata.deletionTimestamp) {
    await adopt(context, SETS, deployment, "apps/v1", "Deployment", orphansOf(context, deployment));
    await rollOut(context, deployment);
  }
  await writeStatus(context, queue, key, deployment);
}

function orphansOf(context: ControllerContext, deployment: DeploymentObject): KubeObject[] {
  const sets = context.client.list(SETS, { namespace: deployment.metadata.namespace! });
  return sets.filter((set) => !controllerOf(set) && selectorMatches(deployment.spec?.selector, set.metadata.labels));
}

async function rollOut(context: ControllerContext, deployment: DeploymentObject): Promise<void> {
  const sets = setsOf(context, deployment);
  const existing = newestOf(deployment, sets);
  if (deployment.spec?.paused) {
    if (
      existing &&
      existing.spec?.replicas !== deployment.spec.replicas &&
      sets.every((set) => set === existing || !set.spec?.replicas)
    )
      await scaleSet(context, deployment, existing, deployment.spec.replicas ?? 1);
    return;
  }
  const newest = await ensureNewest(context, deployment, sets, existing);
  const old = sets.filter((set) => set.metadata.uid !== newest.metadata.uid);
  const input = {
    replicas: deployment.spec?.replicas ?? 1,
    maxSurge: deployment.spec?.strategy?.rollingUpdate?.maxSurge ?? "25%",
    maxUnavailable: deployment.spec?.strategy?.rollingUpdate?.maxUnavailable ?? "25%",
    isRecreate: deployment.spec?.strategy?.type === "Recreate",
    newest: countsOf(context, newest),
    old: old.map((set) => countsOf(context, set)),
  };
  for (const [name, replicas] of nextScales(input))
    await scaleSet(context, deployment, [newest, ...old].find((set) => set.metadata.name === name)!, replicas);
  await dropHistory(context, deployment, old);
}

function setsOf(context: ControllerContext, deployment: DeploymentObject): SetObject[] {
  return ownedBy<SetObject>(context, SETS, deployment).sort((a, b) => revisionOf(a) - revisionOf(b));
}

/** The set that runs the Deployment's template as it is now. */
function newestOf(deployment: DeploymentObject, sets: readonly SetObject[]): SetObject | undefined {
  return sets.find((set) => sameJson(withoutHash(set.spec?.template), withoutHash(deployment.spec?.template)));
}

function withoutHash(template: PodTemplateSpec | undefined): unknown {
  const copy = cloneObject(template ?? {});
  if (copy.metadata?.labels) delete copy.metadata.labels[HASH_LABEL];
  return copy;
}

async function ensureNewest(
  context: ControllerContext,
  deployment: DeploymentObject,
  sets: readonly SetObject[],
  existing: SetObject | undefined,
): Promise<SetObject> {
  const latest = Math.max(0, ...sets.map(revisionOf));
  const isLatest = existing !== undefined && revisionOf(existing) === latest && latest > 0;
  const revision = String(isLatest ? latest : latest + 1);
  const set = existing ?? ((await context.client.create(SETS, newSet(deployment, revision))) as SetObject);
  if (!existing)
    context.events.note(deployment, "Deployment", {
      type: "Normal",
      reason: "ScalingReplicaSet",
      message: `Created replica set ${set.metadata.name}`,
    });
  await annotate(context, SETS, set, { ...inherited(deployment), [REVISION]: revision });
  await annotate(context, RESOURCE, deployment, { [REVISION]: revision });
  return (context.client.get(SETS, set.metadata.namespace, set.metadata.name) as SetObject | undefined) ?? set;
}

function newSet(deployment: DeploymentObject, revision: string): KubeObject {
  const hash = templateHash(deployment.spec?.template, deployment.status?.collisionCount ?? 0);
  const template = cloneObject(deployment.spec!.template);
  template.metadata = { ...template.metadata, labels: { ...template.metadata?.labels, [HASH_LABEL]: hash } };
  const selector = cloneObject(deployment.spec!.selector);
  selector.matchLabels = { ...selector.matchLabels, [HASH_LABEL]: hash };
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace!,
      labels: template.metadata.labels as Record<string, string>,
      annotations: { ...inherited(deployment), [REVISION]: revision },
      ownerReferences: [controlledBy(deployment, "apps/v1", "Deployment")],
    },
    spec: { replicas: 0, minReadySeconds: deployment.spec?.minReadySeconds ?? 0, selector, template },
  };
}

/** Annotations a ReplicaSet takes over (the change cause of a revision among them). */
function inherited(deployment: DeploymentObject): Record<string, string> {
  const own = { ...deployment.metadata.annotations };
  for (const key of ["kubectl.kubernetes.io/last-applied-configuration", REVISION]) delete own[key];
  const replicas = deployment.spec?.replicas ?? 1;
  const rolling = deployment.spec?.strategy?.rollingUpdate;
  const { surge } = bounds({
    replicas,
    maxSurge: rolling?.maxSurge ?? "25%",
    maxUnavailable: rolling?.maxUnavailable ?? "25%",
  });
  return {
    ...own,
    "deployment.kubernetes.io/desired-replicas": String(replicas),
    "deployment.kubernetes.io/max-replicas": String(replicas + surge),
  };
}

async function annotate(
  context: ControllerContext,
  resource: string,
  object: KubeObject,
  wanted: Record<string, string>,
): Promise<void> {
  const has = object.metadata.annotations ?? {};
  if (Object.entries(wanted).every(([key, value]) => has[key] === value)) return;
  await context.client.patch(
    resource,
    object.metadata.namespace,
    object.metadata.name,
    { metadata: { annotations: wanted } },
    { type: "merge" },
  );
}

function countsOf(context: ControllerContext, set: SetObject): SetCounts {
  return {
    name: set.metadata.name,
    replicas: set.spec?.replicas ?? 0,
    available: set.status?.availableReplicas ?? 0,
    actual: ownedBy<PodObject>(context, "pods", set).length,
  };
}

async function scaleSet(
  context: ControllerContext,
  deployment: DeploymentObject,
  set: SetObject,
  replicas: number,
): Promise<void> {
  const was = set.spec?.replicas ?? 0;
  await context.client.patch(
    SETS,
    set.metadata.namespace,
    set.metadata.name,
    { spec: { replicas } },
    { type: "merge" },
  );
  const message = `Scaled ${replicas > was ? "up" : "down"} replica set ${set.metadata.name} from ${was} to ${replicas}`;
  context.events.note(deployment, "Deployment", { type: "Normal", reason: "ScalingReplicaSet", message });
}

async function dropHistory(
  context: ControllerContext,
  deployment: DeploymentObject,
  old: readonly SetObject[],
): Promise<void> {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10;
  const idle = old.filter((set) => !set.spec?.replicas && !set.status?.replicas && !set.metadata.deletionTimestamp);
  for (const set of idle.slice(0, Math.max(0, idle.length - limit)))
    await context.client.delete(SETS, set.metadata.namespace, set.metadata.name, { propagationPolicy: "Background" });
}

async function writeStatus(
  context: ControllerContext,
  queue: WorkQueue,
  key: string,
  seen: DeploymentObject,
): Promise<void> {
  const deployment = context.client.get(RESOURCE, seen.metadata.namespace, seen.metadata.name) as
    | DeploymentObject
    | undefined;
  if (!deployment || deployment.metadata.uid !== seen.metadata.uid) return;
  const sets = setsOf(context, deployment);
  const now = timestamp(context.clock);
  const status = deploymentStatus(deployment, sets, newestOf(deployment, sets), now);
  const leftMs = progressLeftMs(deployment, status, context.clock.wallMs());
  if (leftMs !== undefined) queue.addAfter(key, leftMs);
  if (sameJson(status, deployment.status)) return;
  const next = { ...cloneObject(deployment as KubeObject), status };
  delete next.metadata.resourceVersion;
  await context.client.updateStatus(RESOURCE, next);
}

function revisionOf(set: KubeObject): number {
  return Number(set.metadata.annotations?.[REVISION] ?? 0) || 0;
}
