import { formatAddress } from "#net/address";
import { GetDestination, Update } from "#proto/destination";
import { Watch, type WatchDeps } from "../../control/watch.ts";
import { readAddress } from "../../route/wire-values.ts";
import { type EndpointInfo, readEndpoint } from "../endpoint/endpoint-info.ts";

const GET = "/io.linkerd.proxy.destination.Destination/Get";

/** Hears the endpoints of one name, whole, on every change. */
export interface EndpointListener {
  endpoints(current: ReadonlyMap<string, EndpointInfo>): void;
}

/** The endpoints of names, one stream per name however many ask. The last known set holds while the control plane is away. */
export class EndpointSets {
  readonly #watch: WatchDeps;
  readonly #contextToken: string;
  readonly #sets = new Map<string, EndpointSet>(); // as many as balancers in use

  constructor(watch: WatchDeps, contextToken: string) {
    this.#watch = watch;
    this.#contextToken = contextToken;
  }

  /** Tells the listener what is known now and later, until the returned function is called. */
  subscribe(path: string, listener: EndpointListener): () => void {
    let set = this.#sets.get(path);
    if (!set) {
      set = new EndpointSet(this.#watch, { scheme: "", path, contextToken: this.#contextToken });
      this.#sets.set(path, set);
    }
    const subscribed = set;
    subscribed.add(listener);
    return () => {
      if (subscribed.remove(listener) === 0) this.#sets.delete(path);
    };
  }
}

class EndpointSet {
  readonly #watch: Watch<Update>;
  readonly #listeners = new Set<EndpointListener>();
  #current = new Map<string, EndpointInfo>();
  #isKnown = false;
  #isStarted = false;

  constructor(deps: WatchDeps, request: GetDestination) {
    this.#watch = new Watch(deps, {
      path: GET,
      request: GetDestination.encode(request).finish(),
      decode: (bytes) => Update.decode(bytes),
      message: (update, isFirst) => this.#apply(update, isFirst),
      missing: () => this.#replace(new Map()),
      refused: () => this.#replace(new Map()),
    });
  }

  add(listener: EndpointListener): void {
    this.#listeners.add(listener);
    if (this.#isKnown) listener.endpoints(this.#current);
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#watch.start();
  }

  remove(listener: EndpointListener): number {
    this.#listeners.delete(listener);
    if (this.#listeners.size === 0) this.#watch.stop();
    return this.#listeners.size;
  }

  /** The first Add of a stream replaces the set; a Remove before it says nothing. */
  #apply({ update }: Update, isFirst: boolean): void {
    if (!update) return;
    if (update.$case === "noEndpoints") {
      this.#replace(new Map());
      return;
    }
    const next = isFirst && update.$case === "add" ? new Map<string, EndpointInfo>() : new Map(this.#current);
    if (update.$case === "add") {
      for (const addr of update.value.addrs) {
        const info = readEndpoint(addr, update.value.metricLabels);
        if (info) next.set(formatAddress(info.address), info);
      }
    } else {
      for (const addr of update.value.addrs) {
        const address = readAddress(addr);
        if (address) next.delete(formatAddress(address));
      }
    }
    this.#replace(next);
  }

  #replace(next: Map<string, EndpointInfo>): void {
    this.#current = next;
    this.#isKnown = true;
    for (const listener of this.#listeners) listener.endpoints(next);
  }
}
