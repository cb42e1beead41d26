import { isObject, type KubeObject } from "../store/object.ts";
import { StatusError } from "../store/status.ts";
import type { Store } from "../store/store.ts";

type Fields = Record<string, unknown>;

/** 10.96.0.0/16, Kubernetes' customary range of Service addresses. */
const PREFIX = "10.96.";
/** The first addresses are kept for those who ask by name (API server .0.1, DNS .0.10). */
const FIRST_AUTOMATIC = 256;
const LAST = 65_534;
const NODE_PORT_MIN = 30_000;
const NODE_PORT_MAX = 32_767;

/** Gives Services their cluster addresses and node ports. What is taken is read from the store, so nothing can leak. */
export class ServiceAddresses {
  readonly #store: Store;
  #next = FIRST_AUTOMATIC;

  constructor(store: Store) {
    this.#store = store;
  }

  /** For a new Service, in place. Invalid when a wanted address is taken or out of range. */
  allocate(service: KubeObject): void {
    const spec = service["spec"] as Fields | undefined;
    if (!isObject(spec) || spec["type"] === "ExternalName") return;
    const wanted = spec["clusterIP"] ?? (Array.isArray(spec["clusterIPs"]) ? spec["clusterIPs"][0] : undefined);
    const address = wanted === undefined || wanted === "" ? this.#free() : this.#check(service, String(wanted));
    spec["clusterIP"] = address;
    spec["clusterIPs"] = [address];
    spec["ipFamilies"] ??= ["IPv4"];
    spec["ipFamilyPolicy"] ??= "SingleStack";
    this.#nodePorts(service, spec, undefined);
  }

  /** For a changed Service, in place: what it had stays unless the type forbids it. */
  reallocate(service: KubeObject, old: KubeObject) {
    const spec = service["spec"] as Fields | undefined;
    const before = (old["spec"] ?? {}) as Fields;
    if (!isObject(spec)) return;
    if (spec["type"] === "ExternalName") {
      for (const field of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]) delete spec[field];
      return;
    }
    if (!before["clusterIP"]) return this.allocate(service);
    spec["clusterIP"] ||= before["clusterIP"];
    spec["clusterIPs"] = [spec["clusterIP"]];
    spec["ipFamilies"] ??= before["ipFamilies"];
    spec["ipFamilyPolicy"] ??= before["ipFamilyPolicy"];
    if (spec["clusterIP"] !== before["clusterIP"])
      throw StatusError.invalid("Service", "", service.metadata.name, [
        {
          reason: "FieldValueInvalid",
          field: "spec.clusterIPs[0]",
          message: `Invalid value: [${JSON.stringify(spec["clusterIP"])}]: may not change once set`,
        },
      ]);
    this.#nodePorts(service, spec, before);
  }

  #check(service: KubeObject, address: string): string {
    if (address === "None") return address;
    const isInRange = /^10\.96\.(25[0-5]|2[0-4]\d|1?\d?\d)\.(25[0-5]|2[0-4]\d|1?\d?\d)$/.test(address);
    const why = !isInRange
      ? `failed to allocate IP ${address}: the provided IP (${address}) is not in the valid range. The range of valid IPs is 10.96.0.0/16`
      : this.#taken().has(address)
        ? `failed to allocate IP ${address}: provided IP is already allocated`
        : undefined;
    if (!why) return address;
    throw StatusError.invalid("Service", "", service.metadata.name, [
      {
        reason: "FieldValueInvalid",
        field: "spec.clusterIPs",
        message: `Invalid value: [${JSON.stringify(address)}]: ${why}`,
      },
    ]);
  }

  #free(): string {
    const taken = this.#taken();
    for (let tries = 0; tries <= LAST; tries++) {
      const number = this.#next;
      this.#next = this.#next >= LAST ? FIRST_AUTOMATIC : this.#next + 1;
      const address = `${PREFIX}${number >> 8}.${number & 255}`;
      if (!taken.has(address)) return address;
    }
    throw new StatusError(
      "InternalError",
      "Cannot allocate a cluster IP: all 65,278 addresses of 10.96.0.0/16 are taken",
    );
  }

  #taken(): Set<string> {
    return new Set(this.#store.list("services").map((service) => String((service["spec"] as Fields)?.["clusterIP"])));
  }

  #nodePorts(service: KubeObject, spec: Fields, before: Fields | undefined): void {
    const ports = (Array.isArray(spec["ports"]) ? spec["ports"] : []).filter(isObject) as Fields[];
    if (spec["type"] !== "NodePort" && spec["type"] !== "LoadBalancer") {
      for (const port of ports) delete port["nodePort"];
      return;
    }
    const old = (Array.isArray(before?.["ports"]) ? before["ports"] : []).filter(isObject) as Fields[];
    const taken = this.#takenNodePorts(service);
    for (const port of ports) {
      port["nodePort"] ??= old.find(
        (other) => other["port"] === port["port"] && other["protocol"] === port["protocol"],
      )?.["nodePort"];
      port["nodePort"] ??= freePort(taken);
      const number = Number(port["nodePort"]);
      if (number < NODE_PORT_MIN || number > NODE_PORT_MAX || taken.has(number))
        throw StatusError.invalid("Service", "", service.metadata.name, [
          {
            reason: "FieldValueInvalid",
            field: `spec.ports[${ports.indexOf(port)}].nodePort`,
            message: taken.has(number)
              ? `Invalid value: ${number}: provided port is already allocated`
              : `Invalid value: ${number}: provided port is not in the valid range. The range of valid ports is ${NODE_PORT_MIN}-${NODE_PORT_MAX}`,
          },
        ]);
      taken.add(number);
    }
  }

  #takenNodePorts(except: KubeObject): Set<number> {
    const taken = new Set<number>();
    for (const service of this.#store.list("services")) {
      if (service.metadata.name === except.metadata.name && service.metadata.namespace === except.metadata.namespace)
        continue;
      for (const port of ((service["spec"] as Fields)["ports"] ?? []) as Fields[])
        if (port["nodePort"]) taken.add(Number(port["nodePort"]));
    }
    return taken;
  }
}

function freePort(taken: ReadonlySet<number>): number {
  for (let port = NODE_PORT_MIN; port <= NODE_PORT_MAX; port++) if (!taken.has(port)) return port;
  throw new StatusError(
    "InternalError",
    `Cannot allocate a node port: ${NODE_PORT_MIN}-${NODE_PORT_MAX} are all taken`,
  );
}
