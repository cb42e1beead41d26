import { LABELS } from "#contracts/labels";
import {
  AUTHORIZATION_POLICIES,
  type Change,
  EGRESS_NETWORKS,
  EXTERNAL_WORKLOADS,
  GRPC_ROUTES,
  HTTP_LOCAL_RATE_LIMIT_POLICIES,
  HTTP_ROUTES,
  Informer,
  type InformerOptions,
  type KubeClient,
  type KubeObject,
  MESH_TLS_AUTHENTICATIONS,
  NETWORK_AUTHENTICATIONS,
  type ParentRef,
  PODS,
  POLICY_HTTP_ROUTES,
  type Pod,
  type ResourceType,
  SERVER_AUTHORIZATIONS,
  SERVERS,
  SERVICES,
  type Service,
  TCP_ROUTES,
  TLS_ROUTES,
} from "#kube";
import type { Log } from "#lib/log";
import { BY_CLUSTER_IP, BY_PARENT, clusterIps, type PolicyObjects, parentKeys } from "../index/objects.ts";
import type { InboundService } from "./inbound-service.ts";
import type { OutboundService } from "./outbound-service.ts";

/** The part of the cluster that policy is made of, kept up to date. */
export class PolicyWatches implements PolicyObjects {
  readonly pods: Informer<Pod>;
  readonly externalWorkloads;
  readonly servers;
  readonly serverAuthorizations;
  readonly authorizationPolicies;
  readonly meshTlsAuthentications;
  readonly networkAuthentications;
  readonly rateLimits;
  readonly policyHttpRoutes;
  readonly gatewayHttpRoutes;
  readonly grpcRoutes;
  readonly tlsRoutes;
  readonly tcpRoutes;
  readonly services: Informer<Service>;
  readonly egressNetworks;
  readonly #all: Informer<never>[] = [];

  constructor(client: KubeClient, log: Log) {
    const watch = <T extends KubeObject>(
      type: ResourceType<T>,
      more: Partial<InformerOptions<T>> = {},
    ): Informer<T> => {
      const informer = new Informer<T>({ client, log, type, ...more });
      this.#all.push(informer as unknown as Informer<never>);
      return informer;
    };
    // Kinds that come from elsewhere may be missing; one that is installed later is found within half a minute.
    const routes = <T extends KubeObject & { spec?: { parentRefs?: ParentRef[] } }>(
      type: ResourceType<T>,
    ): Informer<T> => watch(type, { optional: true, indexes: { [BY_PARENT]: parentKeys } });
    this.pods = watch(PODS, { labelSelector: LABELS.controlPlaneNs, trim: trimPod });
    this.externalWorkloads = watch(EXTERNAL_WORKLOADS, { optional: true });
    this.servers = watch(SERVERS);
    this.serverAuthorizations = watch(SERVER_AUTHORIZATIONS);
    this.authorizationPolicies = watch(AUTHORIZATION_POLICIES);
    this.meshTlsAuthentications = watch(MESH_TLS_AUTHENTICATIONS);
    this.networkAuthentications = watch(NETWORK_AUTHENTICATIONS);
    this.rateLimits = watch(HTTP_LOCAL_RATE_LIMIT_POLICIES, { optional: true });
    this.policyHttpRoutes = routes(POLICY_HTTP_ROUTES);
    this.gatewayHttpRoutes = routes(HTTP_ROUTES);
    this.grpcRoutes = routes(GRPC_ROUTES);
    this.tlsRoutes = routes(TLS_ROUTES);
    this.tcpRoutes = routes(TCP_ROUTES);
    this.services = watch(SERVICES, { indexes: { [BY_CLUSTER_IP]: clusterIps }, trim: trimService });
    this.egressNetworks = watch(EGRESS_NETWORKS, { optional: true });
  }

  /** Resolves when everything has been listed once. */
  get synced(): Promise<void> {
    return Promise.all(this.#all.map((informer) => informer.synced)).then(() => {});
  }

  start(): void {
    for (const informer of this.#all) informer.start();
  }

  stop(): void {
    for (const informer of this.#all) informer.stop();
  }

  /** Calls `handler` for whatever may change the status of an object: routes, and what they refer to. */
  onAnyChange(handler: () => void): void {
    const { servers, services, rateLimits, egressNetworks } = this;
    const routes = [this.policyHttpRoutes, this.gatewayHttpRoutes, this.grpcRoutes, this.tlsRoutes, this.tcpRoutes];
    for (const informer of [servers, services, rateLimits, egressNetworks, ...routes]) informer.onChange(handler);
  }

  /** Tells the services which of their answers a change may touch. */
  connect(inbound: InboundService, outbound: OutboundService): void {
    const namespaceOf = ({ object: { metadata } }: Change<KubeObject>): string => metadata.namespace ?? "";
    const inNamespace = (change: Change<KubeObject>): void => inbound.namespaceChanged(namespaceOf(change));
    const workload = (change: Change<KubeObject>): void =>
      inbound.workloadChanged(namespaceOf(change), change.object.metadata.name);
    this.pods.onChange(workload);
    this.externalWorkloads.onChange(workload);
    this.servers.onChange(inNamespace);
    this.serverAuthorizations.onChange(inNamespace);
    this.authorizationPolicies.onChange(inNamespace);
    this.rateLimits.onChange(inNamespace);
    this.meshTlsAuthentications.onChange(() => inbound.everythingChanged());
    this.networkAuthentications.onChange(() => inbound.everythingChanged());
    this.services.onChange((change) => serviceChanged(outbound, change));
    this.egressNetworks.onChange(() => outbound.egressChanged());
    const route = (change: Change<KubeObject & { spec?: { parentRefs?: ParentRef[] } }>): void => {
      inNamespace(change);
      const before = change.type === "modified" ? parentKeys(change.previous) : [];
      outbound.routeChanged([...before, ...parentKeys(change.object)]);
    };
    this.policyHttpRoutes.onChange(route);
    this.gatewayHttpRoutes.onChange(route);
    this.grpcRoutes.onChange(route);
    this.tlsRoutes.onChange(route);
    this.tcpRoutes.onChange(route);
  }
}

function serviceChanged(outbound: OutboundService, change: Change<Service>): void {
  const { name, namespace = "" } = change.object.metadata;
  const isSameAddress =
    change.type === "modified" && clusterIps(change.previous).join() === clusterIps(change.object).join();
  if (isSameAddress) outbound.serviceChanged(namespace, name);
  else outbound.serviceAppearedOrLeft(namespace, name);
}

/** Names, labels, annotations, ports and probes: a tenth of a pod. */
function trimPod({ metadata, spec }: Pod): Pod {
  const { name, namespace, uid, resourceVersion, labels, annotations, creationTimestamp } = metadata;
  const containers = (list: NonNullable<Pod["spec"]>["containers"] | undefined) =>
    list?.map(({ name, ports, livenessProbe, readinessProbe, startupProbe }) => ({
      name,
      ports,
      livenessProbe,
      readinessProbe,
      startupProbe,
    }));
  return {
    metadata: { name, namespace, uid, resourceVersion, labels, annotations, creationTimestamp },
    spec: { containers: containers(spec?.containers) ?? [], initContainers: containers(spec?.initContainers) },
  };
}

function trimService({ metadata, spec }: Service): Service {
  const { name, namespace, uid, resourceVersion, annotations, creationTimestamp } = metadata;
  const { clusterIP, clusterIPs, ports, type } = spec ?? {};
  return {
    metadata: { name, namespace, uid, resourceVersion, annotations, creationTimestamp },
    spec: { clusterIP, clusterIPs, ports, type },
  };
}
