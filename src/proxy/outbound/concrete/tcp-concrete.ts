import type { Clock } from "#lib/clock";
import type { TcpTransport } from "#net/tcp";
import { PeakEwma } from "../../balance/peak-ewma.ts";
import { RelayError } from "../../errors.ts";
import type { ConnectOutcome } from "../endpoint/connector.ts";
import type { EndpointInfo } from "../endpoint/endpoint-info.ts";
import { type BalancedEndpoint, Balancer, type EndpointOwner, type EndpointState, type Waiter } from "./balancer.ts";
import type { ConcreteDeps } from "./concrete.ts";
import { Reachability, type ReachabilityOwner } from "./reachability.ts";

export interface TcpConcreteDeps extends ConcreteDeps {
  /** Set when the backend is this one endpoint and can be no other: there is nothing to wait for. */
  readonly forward: EndpointInfo | undefined;
}

/**
 * Where opaque connections of one backend go: each picks an endpoint and gets a connection of its own. Most services only
 * ever see HTTP: nothing is made, nor counted, before the first connection.
 */
export class TcpConcrete {
  readonly #makeDeps: () => TcpConcreteDeps;
  #used: { readonly deps: TcpConcreteDeps; readonly balancer: Balancer<TcpEndpoint>; release(): void } | undefined;
  #isClosed = false;

  constructor(makeDeps: () => TcpConcreteDeps) {
    this.#makeDeps = makeDeps;
  }

  /** Looks at the endpoints from now on: whoever chooses by readiness must not be the first to ask. */
  watch(): void {
    this.#used ??= this.#open();
  }

  get hasReady(): boolean {
    return this.#used?.balancer.hasReady === true;
  }

  /** Connects to an endpoint, trying others when one fails, until one answers or the balancer gives up. */
  connect(outcome: ConnectOutcome): { cancel(): void } {
    const { deps, balancer } = (this.#used ??= this.#open());
    if (deps.forward) return deps.connector.connect(deps.forward, "opaque", outcome);
    const attempt = new ConnectAttempt(balancer, outcome, deps.clock.monotonicMs());
    attempt.wake();
    return attempt;
  }

  close(): void {
    this.#isClosed = true;
    this.#used?.release();
    this.#used?.balancer.close();
  }

  #open() {
    const deps = this.#makeDeps();
    const balancer = new Balancer<TcpEndpoint>({
      ...deps,
      makeEndpoint: (info, owner) => new TcpEndpoint(info, deps, owner),
    });
    if (this.#isClosed) balancer.close(); // who comes too late is told so by it
    return { deps, balancer, release: this.#isClosed ? () => {} : deps.subscribe(balancer) };
  }
}

/** One client's way to a connection: endpoint after endpoint, and the balancer's queue while none is ready. */
class ConnectAttempt implements Waiter {
  readonly #balancer: Balancer<TcpEndpoint>;
  readonly #outcome: ConnectOutcome;
  #dial: { cancel(): void } | null = null;
  #isCancelled = false;
  readonly #startedAtMs: number;

  constructor(balancer: Balancer<TcpEndpoint>, outcome: ConnectOutcome, startedAtMs: number) {
    this.#balancer = balancer;
    this.#outcome = outcome;
    this.#startedAtMs = startedAtMs;
  }

  wake(): void {
    if (this.#isCancelled) return;
    const endpoint = this.#balancer.pick();
    if (!endpoint) {
      this.#balancer.wait(this);
      return;
    }
    this.#dial = endpoint.connect({
      connected: (transport) => this.#outcome.connected(transport),
      failed: (failure) => this.#dialFailed(failure),
    });
  }

  failed(failure: RelayError): void {
    this.#outcome.failed(failure);
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#balancer.cancelWait(this);
    this.#dial?.cancel();
  }

  /** Nothing was sent: another endpoint, or the queue. The one that failed is not ready before a connection to it stands. */
  #dialFailed(failure: RelayError): void {
    if (failure.code !== "draining" && this.#balancer.isOverdue(this.#startedAtMs)) this.#outcome.failed(failure);
    else this.wake();
  }
}

/** A client whose connection to an endpoint is being made. */
interface PendingConnect {
  readonly outcome: ConnectOutcome;
  dial: { cancel(): void } | null;
}

/** One peer of an opaque balancer. Its cost is how long connecting takes. */
export class TcpEndpoint implements BalancedEndpoint, ReachabilityOwner {
  readonly info: EndpointInfo;
  readonly #clock: Clock;
  readonly #connector: ConcreteDeps["connector"];
  readonly #load: PeakEwma;
  readonly #reach: Reachability;
  readonly #owner: EndpointOwner;
  readonly #pending = new Set<PendingConnect>(); // at most as many as there are clients

  constructor(info: EndpointInfo, deps: ConcreteDeps, owner: EndpointOwner) {
    this.info = info;
    this.#clock = deps.clock;
    this.#connector = deps.connector;
    this.#load = new PeakEwma(deps.load.defaultRttMs, deps.load.decayMs, deps.clock.monotonicMs());
    this.#reach = new Reachability(deps, this);
    this.#owner = owner;
  }

  get isReady(): boolean {
    return !this.#reach.isDown;
  }

  get state(): EndpointState {
    if (this.#reach.isDown) return "unreachable";
    return this.#reach.isTried ? "ready" : "untried";
  }

  cost(nowMs: number): number {
    return this.#load.read(nowMs) * (this.#pending.size + 1);
  }

  doubt(): void {
    this.#reach.doubt();
  }

  /** Connections that stand are their clients' own; those still being made are given up. */
  retire(): void {
    this.#reach.close();
    const left = [...this.#pending];
    this.#pending.clear();
    for (const { outcome, dial } of left) {
      dial?.cancel();
      outcome.failed(new RelayError("draining", "proxy", "safe", "the endpoint was taken away"));
    }
  }

  connect(outcome: ConnectOutcome): { cancel(): void } {
    const startedAtMs = this.#clock.monotonicMs();
    const pending: PendingConnect = { outcome, dial: null };
    this.#pending.add(pending);
    const dial = this.#connector.connect(this.info, "opaque", {
      connected: (transport: TcpTransport) => {
        if (!this.#pending.delete(pending)) return;
        const nowMs = this.#clock.monotonicMs();
        this.#load.observe(nowMs - startedAtMs, nowMs);
        this.#reach.connected();
        outcome.connected(transport);
      },
      failed: (failure) => {
        if (!this.#pending.delete(pending)) return;
        this.#owner.connectFailed(failure);
        this.#reach.failed();
        outcome.failed(failure);
      },
    });
    pending.dial = dial;
    return {
      cancel: () => {
        if (this.#pending.delete(pending)) dial.cancel();
      },
    };
  }

  /** The server sees a connection that says nothing and ends: better than clients that wait to find out. */
  probe(): void {
    this.connect({ connected: (transport) => transport.close(), failed() {} });
  }

  changed(): void {
    this.#owner.changed();
  }
}
