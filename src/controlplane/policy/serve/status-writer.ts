import {
  ApiError,
  EGRESS_NETWORKS,
  GRPC_ROUTES,
  HTTP_LOCAL_RATE_LIMIT_POLICIES,
  HTTP_ROUTES,
  type KubeClient,
  type KubeObject,
  LeaseElector,
  POLICY_HTTP_ROUTES,
  type ResourceType,
  TCP_ROUTES,
  TLS_ROUTES,
} from "#kube";
import type { Clock, Timer } from "#lib/clock";
import type { Log } from "#lib/log";
import type { Counter, MetricsRegistry } from "#lib/metrics";
import type { PolicyConfig, PolicyObjects } from "../index/objects.ts";
import { egressConditions, rateLimitConditions, routeParents } from "../index/status.ts";

export interface StatusWriterOptions {
  readonly client: KubeClient;
  readonly objects: PolicyObjects;
  readonly config: PolicyConfig;
  /** Who claims leadership: the pod's name. */
  readonly identity: string;
  readonly clock: Clock;
  readonly metrics: MetricsRegistry;
  readonly log: Log;
}

const RECONCILE_MS = 10_000; // also repairs what somebody else overwrote
const SETTLE_MS = 100;

/**
 * Writes the controller's judgement into the status of routes, rate limits and egress networks. One replica at a time,
 * by Lease; only differences are written, one after another. What is not written does not change how traffic flows.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #elector: LeaseElector;
  readonly #patches: Counter;
  readonly #failures: Counter;
  #timer: Timer | undefined;
  #isRunning = false;
  #isAgainWanted = false;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    const { client, config, identity, clock, metrics, log } = options;
    this.#patches = metrics.counter("resource_status_patches_total", "Statuses written").series();
    this.#failures = metrics
      .counter("resource_status_patch_api_errors_total", "Statuses that could not be written")
      .series();
    this.#elector = new LeaseElector({
      client,
      namespace: config.controlPlaneNs,
      name: "policy-controller-write",
      identity,
      clock,
      log,
      onChange: (isLeader) => isLeader && this.wake(),
    });
  }

  start(): void {
    this.#elector.start();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#elector.stop();
  }

  /** Something changed: looks soon. */
  wake(): void {
    if (!this.#elector.isLeader) return;
    if (this.#isRunning) this.#isAgainWanted = true;
    else this.#schedule(SETTLE_MS);
  }

  #schedule(afterMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.schedule(afterMs, () => void this.#reconcile());
  }

  async #reconcile(): Promise<void> {
    if (!this.#elector.isLeader) return;
    this.#isRunning = true;
    for (const { type, object, status } of this.#wanted()) {
      if (this.#elector.isLeader) await this.#write(type, object, status);
    }
    this.#isRunning = false;
    this.#schedule(this.#isAgainWanted ? SETTLE_MS : RECONCILE_MS);
    this.#isAgainWanted = false;
  }

  /** Every status that differs from what it should be. */
  *#wanted(): Generator<{ type: ResourceType; object: KubeObject; status: object }> {
    const { objects, config, clock } = this.#options;
    const now = new Date(clock.wallMs()).toISOString().replace(/\.\d+Z$/, "Z");
    const routes = [
      { kind: "HTTPRoute", type: POLICY_HTTP_ROUTES, store: objects.policyHttpRoutes },
      { kind: "HTTPRoute", type: HTTP_ROUTES, store: objects.gatewayHttpRoutes },
      { kind: "GRPCRoute", type: GRPC_ROUTES, store: objects.grpcRoutes },
      { kind: "TLSRoute", type: TLS_ROUTES, store: objects.tlsRoutes },
      { kind: "TCPRoute", type: TCP_ROUTES, store: objects.tcpRoutes },
    ] as const;
    for (const { kind, type, store } of routes) {
      for (const object of store.list()) {
        const parents = routeParents(objects, kind, object, now);
        if (!isSame(parents, object.status?.parents ?? [])) yield { type, object, status: { parents } };
      }
    }
    for (const object of objects.rateLimits.list()) {
      const conditions = rateLimitConditions(objects, object, now);
      const status = { conditions, targetRef: object.spec.targetRef };
      if (!isSame(conditions, object.status?.conditions))
        yield { type: HTTP_LOCAL_RATE_LIMIT_POLICIES, object, status };
    }
    for (const object of objects.egressNetworks.list()) {
      const conditions = egressConditions(config, object, now);
      if (!isSame(conditions, object.status?.conditions))
        yield { type: EGRESS_NETWORKS, object, status: { conditions } };
    }
  }

  async #write(type: ResourceType, { metadata: { name, namespace } }: KubeObject, status: object): Promise<void> {
    try {
      await this.#options.client.patch(type, name, "merge", { status }, { namespace, subresource: "status" });
      this.#patches.inc();
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return; // gone meanwhile
      this.#failures.inc();
      const message = error instanceof Error ? error.message : String(error);
      this.#options.log.warn("Cannot write status", { kind: type.kind, namespace, name, error: message });
    }
  }
}

/** Field order does not count: the API server gives fields back in its own. */
function isSame(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${entries
    .map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`)
    .sort()
    .join()}}`;
}
