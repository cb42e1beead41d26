/** What the node's rules and the DNS server need to know of Services, read from the API's memory. */
import type { EndpointSlice, Service } from "#kube/types";
import type { ApiClient } from "./api/in-process.ts";
import type { ZoneObjects } from "./dns/zone.ts";
import { type EndpointSliceLike, routesOf, type ServiceRoute } from "./node/service-rules.ts";

const SLICES = "endpointslices.discovery.k8s.io";
const SERVICE_LABEL = "kubernetes.io/service-name";

export class ServiceView implements ZoneObjects {
  readonly #client: ApiClient;
  readonly #slices = new Map<string, Map<string, EndpointSlice>>(); // namespace/service → slices by name

  constructor(client: ApiClient) {
    this.#client = client;
  }

  /** Follows the objects; `changed` is called when routes may have changed. Returns the way to stop. */
  follow(changed: () => void): () => void {
    const stops = [
      this.#client.watch("services", {}, changed),
      this.#client.watch(SLICES, {}, ({ type, object }) => {
        this.#note(type, object as unknown as EndpointSlice);
        changed();
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  routes(): ServiceRoute[] {
    return this.services().flatMap((service) => {
      const { namespace = "", name } = service.metadata;
      return routesOf(service, this.slices(namespace, name) as unknown as EndpointSliceLike[]);
    });
  }

  service(namespace: string, name: string): Service | undefined {
    return this.#client.get("services", namespace, name) as unknown as Service | undefined;
  }

  services(): readonly Service[] {
    return this.#client.list("services") as unknown as Service[];
  }

  slices(namespace: string, service: string): readonly EndpointSlice[] {
    return [...(this.#slices.get(`${namespace}/${service}`)?.values() ?? [])];
  }

  hasNamespace(name: string): boolean {
    return this.#client.get("namespaces", undefined, name) !== undefined;
  }

  #note(type: string, slice: EndpointSlice): void {
    const { namespace, name, labels } = slice.metadata;
    const key = `${namespace}/${labels?.[SERVICE_LABEL] ?? ""}`;
    const known = this.#slices.get(key) ?? new Map<string, EndpointSlice>();
    if (type === "DELETED") known.delete(name);
    else known.set(name, slice);
    if (known.size === 0) this.#slices.delete(key);
    else this.#slices.set(key, known);
  }
}
