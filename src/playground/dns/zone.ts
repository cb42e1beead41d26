/**
 * What names mean in the cluster (the Kubernetes DNS specification, and what CoreDNS does where it says nothing). Pure:
 * objects in, records out.
 *
 *   svc.ns.svc.D            A: the ClusterIP, or every ready address of a headless Service; SRV: all its ports
 *   _port._proto.svc.ns.svc.D   SRV
 *   host.svc.ns.svc.D       A: the endpoint of that hostname, or whose address is written a-b-c-d
 *   a-b-c-d.ns.pod.D        A: that address
 *   d.c.b.a.in-addr.arpa    PTR
 */
import type { EndpointSlice, Service } from "#kube/types";
import { type Answer, type RecordData, RecordType, type ResourceRecord, ResponseCode } from "./message.ts";

/** The objects the zone is made from. */
export interface ZoneObjects {
  service(namespace: string, name: string): Service | undefined;
  services(): readonly Service[];
  slices(namespace: string, service: string): readonly EndpointSlice[];
  hasNamespace(name: string): boolean;
}

interface Endpoint {
  readonly address: string;
  readonly label: string;
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[];
}

const TTL_SECONDS = 5;
const NOTHING: Answer = { code: ResponseCode.nameError, answers: [], additional: [] };

/** Answers one question about a name (lower case, no closing dot). */
export function answer(zone: ZoneObjects, domain: string, name: string, type: number): Answer {
  if (name.endsWith(".in-addr.arpa")) return reverse(zone, domain, name, type);
  if (name === domain) return found([]);
  if (!name.endsWith(`.${domain}`)) return NOTHING; // a playground has no outside world
  const labels = name
    .slice(0, -domain.length - 1)
    .split(".")
    .reverse(); // svc, ns, name, host…
  if (labels[0] === "pod") return podAnswer(zone, labels, name, type);
  if (labels[0] !== "svc") return NOTHING;
  return serviceAnswer(zone, domain, labels, name, type);
}

function serviceAnswer(zone: ZoneObjects, domain: string, labels: string[], name: string, type: number): Answer {
  const [, namespace, serviceName, first, second, ...rest] = labels;
  if (namespace === undefined) return found([]);
  if (serviceName === undefined) return zone.hasNamespace(namespace) ? found([]) : NOTHING;
  const service = zone.service(namespace, serviceName);
  if (!service || rest.length > 0) return NOTHING;
  const view = new ServiceView(zone, domain, service);
  if (first === undefined) return view.whole(name, type);
  if (second === undefined) return first.startsWith("_") ? NOTHING : view.host(name, first, type);
  return view.port(name, second, first, type);
}

class ServiceView {
  readonly #service: Service;
  readonly #fullName: string;
  readonly #endpoints: readonly Endpoint[];

  constructor(zone: ZoneObjects, domain: string, service: Service) {
    const { namespace = "", name } = service.metadata;
    this.#service = service;
    this.#fullName = `${name}.${namespace}.svc.${domain}`;
    this.#endpoints = endpointsOf(zone.slices(namespace, name));
  }

  get #clusterIp(): string | undefined {
    const ip = this.#service.spec?.clusterIP;
    return ip && ip !== "None" ? ip : undefined;
  }

  /** The Service's own name. */
  whole(name: string, type: number): Answer {
    const external = this.#service.spec?.type === "ExternalName" ? this.#service.spec.externalName : undefined;
    if (external) return found([record(name, { type: "CNAME", target: external })]);
    if (this.#clusterIp === undefined && this.#endpoints.length === 0) return NOTHING; // as CoreDNS: headless and empty is not there
    if (type === RecordType.SRV) return this.#srv(name, () => true);
    if (type !== RecordType.A && type !== RecordType.ANY) return found([]);
    const ips = this.#clusterIp ? [this.#clusterIp] : this.#endpoints.map((endpoint) => endpoint.address);
    return found([...new Set(ips)].map((address) => record(name, { type: "A", address })));
  }

  /** One endpoint of it. */
  host(name: string, label: string, type: number): Answer {
    const fitting = this.#endpoints.filter(
      (endpoint) => endpoint.label === label || dashed(endpoint.address) === label,
    );
    if (fitting.length === 0) return NOTHING;
    if (type !== RecordType.A && type !== RecordType.ANY) return found([]);
    return found(fitting.map(({ address }) => record(name, { type: "A", address })));
  }

  port(name: string, portLabel: string, protocolLabel: string, type: number): Answer {
    const wanted = (port: { name: string; protocol: string }): boolean =>
      `_${port.name}` === portLabel && `_${port.protocol.toLowerCase()}` === protocolLabel;
    const all = this.#srv(name, wanted);
    if (all.answers.length === 0) return NOTHING;
    return type === RecordType.SRV || type === RecordType.ANY ? all : found([]);
  }

  #srv(name: string, isWanted: (port: { name: string; protocol: string }) => boolean): Answer {
    const targets = this.#clusterIp ? this.#ownTarget() : this.#endpoints;
    const answers: ResourceRecord[] = [];
    const additional = new Map<string, ResourceRecord>();
    const weight = Math.max(1, Math.floor(100 / Math.max(1, targets.length)));
    for (const { label, address, ports } of targets) {
      const target = label === "" ? this.#fullName : `${label}.${this.#fullName}`;
      for (const port of ports.filter(isWanted)) {
        answers.push(record(name, { type: "SRV", priority: 0, weight, port: port.port, target }));
        additional.set(target, record(target, { type: "A", address }));
      }
    }
    return { code: ResponseCode.ok, answers, additional: [...additional.values()] };
  }

  #ownTarget(): Endpoint[] {
    const ports = (this.#service.spec?.ports ?? []).map(({ name = "", port, protocol = "TCP" }) => ({
      name,
      port,
      protocol,
    }));
    return [{ label: "", address: this.#clusterIp!, ports }];
  }
}

function podAnswer(zone: ZoneObjects, labels: string[], name: string, type: number): Answer {
  const [, namespace, host, ...rest] = labels;
  if (namespace === undefined) return found([]);
  if (!zone.hasNamespace(namespace) || rest.length > 0) return NOTHING;
  if (host === undefined) return found([]);
  const address = host.replaceAll("-", ".");
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(address)) return NOTHING;
  return found(type === RecordType.A || type === RecordType.ANY ? [record(name, { type: "A", address })] : []);
}

function reverse(zone: ZoneObjects, domain: string, name: string, type: number): Answer {
  const address = name.slice(0, -".in-addr.arpa".length).split(".").reverse().join(".");
  const targets = zone.services().flatMap((service) => namesOf(zone, domain, service, address));
  if (targets.length === 0) return NOTHING;
  return found(
    type === RecordType.PTR || type === RecordType.ANY
      ? targets.map((target) => record(name, { type: "PTR", target }))
      : [],
  );
}

function namesOf(zone: ZoneObjects, domain: string, service: Service, address: string): string[] {
  const { namespace = "", name } = service.metadata;
  const full = `${name}.${namespace}.svc.${domain}`;
  if (service.spec?.clusterIP === address) return [full];
  const endpoints = endpointsOf(zone.slices(namespace, name)).filter((endpoint) => endpoint.address === address);
  return endpoints.map((endpoint) => `${endpoint.label}.${full}`);
}

function endpointsOf(slices: readonly EndpointSlice[]): Endpoint[] {
  return slices
    .filter((slice) => slice.addressType === "IPv4")
    .flatMap((slice) => {
      const ports = (slice.ports ?? []).map(({ name, port, protocol }) => ({
        name: name ?? "",
        port: port ?? 0,
        protocol: protocol ?? "TCP",
      }));
      const ready = (slice.endpoints ?? []).filter((endpoint) => endpoint.conditions?.ready !== false);
      return ready.flatMap((endpoint) =>
        endpoint.addresses.map((address) => ({ address, label: endpoint.hostname ?? dashed(address), ports })),
      );
    });
}

function dashed(address: string): string {
  return address.replaceAll(".", "-");
}

function record(name: string, data: RecordData): ResourceRecord {
  return { name, ttlSeconds: TTL_SECONDS, data };
}

function found(answers: readonly ResourceRecord[]): Answer {
  return { code: ResponseCode.ok, answers, additional: [] };
}
