/**
 * Services as address translation in the node's namespace. The whole table is computed from the objects and replaced
 * in one `iptables-restore`; changes that come close together cost one run.
 */

import type { Service } from "#kube/types";
import type { Clock, Timer } from "#lib/clock";
import type { Log } from "#lib/log";
import { NODE_ADDRESS, SERVICE_NETWORK } from "./addresses.ts";
import type { Commands } from "./commands.ts";

/** One way into a Service, and where connections to it go. */
export interface ServiceRoute {
  readonly protocol: "tcp" | "udp";
  readonly address: string;
  readonly port: number;
  /** Ready endpoints as `ip:port`. */
  readonly targets: readonly string[];
}

const COALESCE_MS = 12; // one iptables-restore takes about as long
const RETRY_MS = 500;

export class ServiceRules {
  readonly #commands: Commands;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #routes: () => ServiceRoute[];
  #timer: Timer | undefined;
  #isRunning = false;
  #isStale = false;
  #applied = "";

  constructor(commands: Commands, clock: Clock, log: Log, routes: () => ServiceRoute[]) {
    this.#commands = commands;
    this.#clock = clock;
    this.#log = log;
    this.#routes = routes;
  }

  /** Something changed: apply soon. */
  touch(afterMs = COALESCE_MS): void {
    this.#isStale = true;
    if (this.#timer || this.#isRunning) return;
    this.#timer = this.#clock.schedule(afterMs, () => void this.#apply());
  }

  /** Applies now; at start it also tells whether iptables works at all. */
  async applyNow(): Promise<void> {
    const table = renderRules(this.#routes());
    this.#isStale = false;
    if (table === this.#applied) return;
    await this.#commands.run(["iptables-restore"], table);
    this.#applied = table;
  }

  async #apply(): Promise<void> {
    this.#timer = undefined;
    this.#isRunning = true;
    let nextMs = COALESCE_MS;
    try {
      await this.applyNow();
    } catch (cause) {
      this.#log.error("cannot apply the Services' rules", { cause: String(cause) });
      this.#isStale = true;
      nextMs = RETRY_MS;
    }
    this.#isRunning = false;
    if (this.#isStale) this.touch(nextMs);
  }
}

/** The tables as `iptables-restore` reads them. */
export function renderRules(routes: readonly ServiceRoute[]): string {
  const ips = [...new Set(routes.flatMap((route) => route.targets.map((target) => target.split(":")[0]!)))].sort();
  return [
    "*nat",
    ":PREROUTING ACCEPT [0:0]",
    ":INPUT ACCEPT [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    ":POSTROUTING ACCEPT [0:0]",
    ":SVC - [0:0]",
    `-A PREROUTING -d ${SERVICE_NETWORK} -j SVC`,
    `-A PREROUTING -d ${NODE_ADDRESS}/32 -j SVC`,
    `-A OUTPUT -d ${SERVICE_NETWORK} -j SVC`,
    `-A OUTPUT -d ${NODE_ADDRESS}/32 -j SVC`,
    ...routes.flatMap(routeRules),
    // A pod that reaches itself through a Service must see another source, or it would answer itself directly.
    ...ips.map((ip) => `-A POSTROUTING -s ${ip}/32 -d ${ip}/32 -j MASQUERADE`),
    "COMMIT",
    "*filter",
    ":INPUT ACCEPT [0:0]",
    ":FORWARD ACCEPT [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    // What still has a Service's address here has no endpoint: refuse, as clusters do.
    `-A FORWARD -d ${SERVICE_NETWORK} -j REJECT --reject-with icmp-port-unreachable`,
    "COMMIT",
    "",
  ].join("\n");
}

function routeRules(route: ServiceRoute): string[] {
  const match = `-A SVC -d ${route.address}/32 -p ${route.protocol} --dport ${route.port}`;
  return route.targets.map((target, index) => {
    const left = route.targets.length - index;
    const chance = left === 1 ? "" : ` -m statistic --mode random --probability ${(1 / left).toFixed(8)}`;
    return `${match}${chance} -j DNAT --to-destination ${target}`;
  });
}

/** A slice as this file needs it. */
export interface EndpointSliceLike {
  readonly addressType: string;
  readonly endpoints?: readonly {
    readonly addresses: readonly string[];
    readonly conditions?: { readonly ready?: boolean };
  }[];
  readonly ports?: readonly { readonly name?: string; readonly port?: number; readonly protocol?: string }[];
}

/** Every way into one Service, given its EndpointSlices. */
export function routesOf(service: Service, slices: readonly EndpointSliceLike[]): ServiceRoute[] {
  const clusterIp = service.spec?.clusterIP;
  if (!clusterIp || clusterIp === "None") return [];
  return (service.spec?.ports ?? []).flatMap((port) => {
    const protocol = port.protocol === "UDP" ? ("udp" as const) : ("tcp" as const);
    const targets = targetsOf(slices, port.name ?? "", port.protocol ?? "TCP");
    const routes: ServiceRoute[] = [{ protocol, address: clusterIp, port: port.port, targets }];
    if (port.nodePort) routes.push({ protocol, address: NODE_ADDRESS, port: port.nodePort, targets });
    return routes;
  });
}

function targetsOf(slices: readonly EndpointSliceLike[], portName: string, protocol: string): string[] {
  const targets = new Set<string>();
  for (const slice of slices) {
    if (slice.addressType !== "IPv4") continue;
    const port = slice.ports?.find((p) => (p.name ?? "") === portName && (p.protocol ?? "TCP") === protocol)?.port;
    if (port === undefined) continue;
    for (const endpoint of slice.endpoints ?? [])
      if (endpoint.conditions?.ready !== false)
        for (const address of endpoint.addresses) targets.add(`${address}:${port}`);
  }
  return [...targets].sort();
}
