import type { BackendRef } from "#kube/types";
import type { Backend } from "#proto/outbound";
import { loadEstimator } from "../core/failure-accrual.ts";
import { balancer, invalidBackend } from "../core/outbound.ts";
import { egressKey, type PolicyConfig, type PolicyObjects } from "./objects.ts";
import type { OutboundParent } from "./outbound-parent.ts";

/** Where a backend reference leads; `error` when nowhere, for the client to read. */
export interface ResolvedBackend {
  readonly backend: Backend;
  readonly error: string | undefined;
}

/** Why a reference leads nowhere: the Gateway API's word and a sentence. */
export interface BackendProblem {
  readonly reason: "BackendNotFound" | "InvalidKind";
  readonly message: string;
}

/** A reference without a namespace means the parent's: routes of other namespaces speak of the parent's neighbours. */
export function backendProblem(
  objects: PolicyObjects,
  parent: { readonly namespace: string; readonly routeKey: string | undefined },
  ref: BackendRef,
): BackendProblem | undefined {
  const group = (ref.group ?? "").toLowerCase();
  const kind = (ref.kind ?? "Service").toLowerCase();
  const namespace = ref.namespace ?? parent.namespace;
  if (kind === "egressnetwork" && group === "policy.linkerd.io") {
    if (parent.routeKey === egressKey(namespace, ref.name)) return undefined;
    const message = `EgressNetwork ${namespace}/${ref.name} is not the route's parent`;
    return { reason: "InvalidKind", message };
  }
  if (kind !== "service" || (group !== "" && group !== "core")) {
    return { reason: "InvalidKind", message: `Unsupported backend ${ref.kind} ${namespace}/${ref.name}` };
  }
  if (ref.port === undefined) {
    return { reason: "InvalidKind", message: `Missing port for backend Service ${namespace}/${ref.name}` };
  }
  if (objects.services.get(ref.name, namespace)) return undefined;
  return { reason: "BackendNotFound", message: `Service not found ${ref.name}.${namespace}` };
}

/** The backend that a reference of one of the parent's routes leads to. */
export function resolveBackend(
  objects: PolicyObjects,
  config: PolicyConfig,
  parent: OutboundParent,
  ref: BackendRef,
): ResolvedBackend {
  const problem = backendProblem(objects, parent, ref);
  if (problem) return { backend: invalidBackend(), error: problem.message };
  if ((ref.kind ?? "Service").toLowerCase() === "egressnetwork") return { backend: parent.backend, error: undefined };
  // The estimator is the parent's: it is one client's view of one destination.
  const parentLoad = parent.backend.kind?.$case === "balancer" ? parent.backend.kind.value.load : undefined;
  const load = parentLoad ?? loadEstimator({}).value!;
  const target = { name: ref.name, namespace: ref.namespace ?? parent.namespace, port: ref.port! };
  return { backend: balancer(target, config.clusterDomain, load), error: undefined };
}

/** Weights as they stand; when all are 0 nobody may answer, and the rule says so instead of dividing by nothing. */
export function hasWeight(refs: readonly BackendRef[]): boolean {
  return refs.some(({ weight = 1 }) => weight > 0);
}
