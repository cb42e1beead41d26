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

/** A reference without a namespace means the parent's: routes of other namespaces speak of the parent's neighbours. */
export function resolveBackend(
  objects: PolicyObjects,
  config: PolicyConfig,
  parent: OutboundParent,
  ref: BackendRef,
): ResolvedBackend {
  const group = (ref.group ?? "").toLowerCase();
  const kind = (ref.kind ?? "Service").toLowerCase();
  const namespace = ref.namespace ?? parent.namespace;
  if (kind === "egressnetwork" && group === "policy.linkerd.io") {
    const isParent = parent.routeKey === egressKey(namespace, ref.name);
    return isParent
      ? { backend: parent.backend, error: undefined }
      : nowhere(`EgressNetwork ${namespace}/${ref.name} is not the route's parent`);
  }
  if (kind !== "service" || (group !== "" && group !== "core")) {
    return nowhere(`Unsupported backend ${ref.kind} ${namespace}/${ref.name}`);
  }
  if (ref.port === undefined) return nowhere(`Missing port for backend Service ${namespace}/${ref.name}`);
  const service = objects.services.get(ref.name, namespace);
  if (!service) return nowhere(`Service not found ${ref.name}.${namespace}`);
  // The estimator is the parent's: it is one client's view of one destination.
  const parentLoad = parent.backend.kind?.$case === "balancer" ? parent.backend.kind.value.load : undefined;
  const load = parentLoad ?? loadEstimator({}).value!;
  return {
    backend: balancer({ name: ref.name, namespace, port: ref.port }, config.clusterDomain, load),
    error: undefined,
  };
}

function nowhere(error: string): ResolvedBackend {
  return { backend: invalidBackend(), error };
}

/** Weights as they stand; when all are 0 nobody may answer, and the rule says so instead of dividing by nothing. */
export function hasWeight(refs: readonly BackendRef[]): boolean {
  return refs.some(({ weight = 1 }) => weight > 0);
}
