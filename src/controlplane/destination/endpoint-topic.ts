import type { GrpcFrame } from "#net/grpc-server";
import type { ClusterView } from "./cluster-view.ts";
import { type AddressSet, computeEndpoints, dependsOnNode, type EndpointsQuestion } from "./endpoints.ts";
import type { DestinationOptions } from "./options.ts";
import { changeUpdates, initialUpdates, isSameSet } from "./updates.ts";

/** The receiving end of a stream. `send` is false once it is gone. */
export interface Subscriber {
  send(frame: GrpcFrame): boolean;
}

/** Where a client is: what endpoint filtering looks at. */
export interface ClientPlace {
  readonly nodeName: string | undefined;
  readonly zone: string | undefined;
}

interface Subscription {
  readonly subscriber: Subscriber;
  readonly place: ClientPlace;
  /** What this subscriber was last told. Shared with all that were told the same. */
  seen: AddressSet;
}

export type EndpointsOf = Pick<EndpointsQuestion, "service" | "namespace" | "port" | "hostname">;

/**
 * Everyone who follows one port of one service. Endpoints are computed once per group of clients in the same place, an
 * update is encoded once per group, and each subscriber gets the least that brings it up to date.
 */
export class EndpointTopic {
  readonly question: EndpointsOf;
  readonly #view: ClusterView;
  readonly #options: DestinationOptions;
  readonly #subscriptions = new Set<Subscription>();
  #sets = new Map<string, AddressSet>(); // by group
  #initial = new WeakMap<AddressSet, GrpcFrame[]>();

  constructor(question: EndpointsOf, view: ClusterView, options: DestinationOptions) {
    this.question = question;
    this.#view = view;
    this.#options = options;
  }

  get subscriberCount(): number {
    return this.#subscriptions.size;
  }

  /** How many different answers are held. */
  get groupCount(): number {
    return this.#sets.size;
  }

  /** Tells a subscriber how things are and keeps telling it. Returns the way out. */
  subscribe(subscriber: Subscriber, place: ClientPlace): () => void {
    const group = this.#groupOf(place);
    const set = this.#sets.get(group) ?? this.#compute(place);
    this.#sets.set(group, set);
    const subscription = { subscriber, place, seen: set };
    this.#subscriptions.add(subscription);
    for (const frame of this.#initialFrames(set)) subscriber.send(frame);
    return () => this.#subscriptions.delete(subscription);
  }

  /** Computes all groups anew and sends what differs. Returns how many subscribers were told something. */
  refresh(): number {
    const before = this.#sets;
    this.#sets = new Map();
    const changes = new Map<AddressSet, Map<AddressSet, GrpcFrame[]>>();
    let toldCount = 0;
    for (const subscription of [...this.#subscriptions]) {
      const after = this.#setFor(subscription.place, before);
      if (after === subscription.seen) continue;
      const frames = this.#changeFrames(changes, subscription.seen, after);
      subscription.seen = after;
      for (const frame of frames) subscription.subscriber.send(frame);
      if (frames.length > 0) toldCount++;
    }
    return toldCount;
  }

  /** Labels of all endpoints together. */
  get #metricLabels(): Record<string, string> {
    const { service, namespace } = this.question;
    return { service, namespace, ...mirrorLabels(this.#view, service, namespace) };
  }

  #setFor(place: ClientPlace, before: ReadonlyMap<string, AddressSet>): AddressSet {
    const group = this.#groupOf(place);
    const known = this.#sets.get(group);
    if (known) return known;
    const computed = this.#compute(place);
    const old = before.get(group);
    const set = old && isSameSet(old, computed) ? old : computed;
    this.#sets.set(group, set);
    return set;
  }

  #changeFrames(
    changes: Map<AddressSet, Map<AddressSet, GrpcFrame[]>>,
    before: AddressSet,
    after: AddressSet,
  ): GrpcFrame[] {
    const from = changes.get(before) ?? new Map<AddressSet, GrpcFrame[]>();
    changes.set(before, from);
    const frames = from.get(after) ?? changeUpdates(before, after, this.#metricLabels);
    from.set(after, frames);
    return frames;
  }

  #initialFrames(set: AddressSet): GrpcFrame[] {
    const frames = this.#initial.get(set) ?? initialUpdates(set, this.#metricLabels);
    this.#initial.set(set, frames);
    return frames;
  }

  #compute(place: ClientPlace): AddressSet {
    return computeEndpoints({ ...this.question, ...place }, this.#view, this.#options);
  }

  #groupOf({ nodeName, zone }: ClientPlace): string {
    const { service, namespace } = this.question;
    const isByNode = dependsOnNode(this.#view.services.get(service, namespace));
    return `${zone ?? ""}|${isByNode ? nodeName : ""}`;
  }
}

/** For a service that mirrors one of another cluster: which. */
function mirrorLabels(view: ClusterView, service: string, namespace: string): Record<string, string> {
  const meta = view.services.get(service, namespace)?.metadata;
  const cluster = meta?.labels?.["mirror.linkerd.io/cluster-name"];
  const [name, ns] = meta?.annotations?.["mirror.linkerd.io/remote-svc-fq-name"]?.split(".") ?? [];
  if (!cluster || !name || !ns) return {};
  return { target_cluster: cluster, target_service: name, target_service_namespace: ns };
}
