import type { Clock } from "#lib/clock";
import type { Random } from "#lib/random";
import { formatAddress } from "#net/address";
import type { ProxyConfig } from "../../env.ts";
import { BalancerSeries } from "../../metrics/balancer-series.ts";
import type { ProxyMetrics } from "../../metrics/proxy-metrics.ts";
import { describeRef } from "../../route/metadata.ts";
import type { ConcreteStore } from "../discover.ts";
import type { Connector } from "../endpoint/connector.ts";
import type { HttpDialer } from "../endpoint/http-dialer.ts";
import type { BackendSpec } from "../logical/compile.ts";
import type { ConcreteDeps } from "./concrete.ts";
import type { EndpointListener, EndpointSets } from "./endpoint-sets.ts";
import { type AccrualOptions, HttpConcrete } from "./http-concrete.ts";
import { TcpConcrete } from "./tcp-concrete.ts";

export interface ConcreteStoreDeps {
  readonly config: ProxyConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly connector: Connector;
  readonly dialer: HttpDialer;
  readonly endpoints: EndpointSets;
  readonly metrics: ProxyMetrics;
}

/** Keeps balancers and their connections across policy updates that still ask for them. */
export function makeConcreteStore(deps: ConcreteStoreDeps): ConcreteStore {
  const http = new Kept<HttpConcrete>();
  const tcp = new Kept<TcpConcrete>();
  return {
    http: (spec, accrual) =>
      http.get(`${spec.key} ${JSON.stringify(accrual ?? null)}`, () => makeHttp(deps, spec, accrual)),
    tcp: (spec) => tcp.get(spec.key, () => makeTcp(deps, spec)),
    begin() {
      http.begin();
      tcp.begin();
    },
    sweep() {
      http.sweep();
      tcp.sweep();
    },
    close() {
      for (const kept of [http, tcp]) {
        kept.begin();
        kept.sweep();
      }
    },
  };
}

class Kept<C extends { close(): void }> {
  readonly #all = new Map<string, C>();
  #asked: Set<string> | undefined; // between `begin` and `sweep`

  get(key: string, make: () => C): C {
    this.#asked?.add(key);
    let concrete = this.#all.get(key);
    if (!concrete) {
      concrete = make();
      this.#all.set(key, concrete);
    }
    return concrete;
  }

  begin(): void {
    this.#asked = new Set();
  }

  sweep(): void {
    for (const [key, concrete] of this.#all) {
      if (this.#asked?.has(key)) continue;
      this.#all.delete(key);
      concrete.close();
    }
    this.#asked = undefined;
  }
}

function makeHttp(deps: ConcreteStoreDeps, spec: BackendSpec, accrual: AccrualOptions | undefined): HttpConcrete {
  const { outbound } = deps.config;
  return new HttpConcrete({
    ...concreteDeps(deps, spec, "http"),
    dialer: deps.dialer,
    metrics: deps.metrics,
    accrual,
    maxIdle: outbound.maxIdlePerEndpoint,
    poolIdleMs: outbound.poolIdleMs,
  });
}

function makeTcp(deps: ConcreteStoreDeps, spec: BackendSpec): TcpConcrete {
  const forward = "endpoint" in spec.target ? spec.target.endpoint : undefined;
  return new TcpConcrete(() => ({ ...concreteDeps(deps, spec, "tcp"), forward }));
}

function concreteDeps(deps: ConcreteStoreDeps, spec: BackendSpec, kind: "http" | "tcp"): ConcreteDeps {
  const { outbound } = deps.config;
  return {
    name: `backend ${describeRef(spec.ref)}`,
    clock: deps.clock,
    random: deps.random,
    connector: deps.connector,
    queueCapacity: outbound.queueCapacity,
    failfastMs: outbound.failfastMs,
    connectBackoff: outbound.connectBackoff,
    load: spec.load,
    observer: new BalancerSeries(deps.metrics.registry, kind, spec.ref),
    subscribe: (listener) => subscribe(deps.endpoints, spec, listener),
  };
}

function subscribe(sets: EndpointSets, { target }: BackendSpec, listener: EndpointListener): () => void {
  if ("path" in target) return sets.subscribe(target.path, listener);
  listener.endpoints(new Map([[formatAddress(target.endpoint.address), target.endpoint]]));
  return () => {};
}
