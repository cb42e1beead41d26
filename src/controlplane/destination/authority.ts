import { canonicalIp } from "#net/address";

/** A service, or one named endpoint of it. */
export interface ServiceName {
  readonly service: string;
  readonly namespace: string;
  /** `web-0` in `web-0.web.shop.svc.cluster.local`. */
  readonly hostname: string | undefined;
}

export type Target =
  | { readonly kind: "service"; readonly name: ServiceName; readonly port: number }
  | { readonly kind: "address"; readonly ip: string; readonly port: number };

export interface ParsedTarget {
  readonly value: Target | undefined;
  readonly error: string | undefined;
}

const DEFAULT_PORT = 80;

/** Reads what a proxy asks about: `host[:port]` with an IP address or a full name under the cluster's domain. */
export function parseTarget(path: string, clusterDomain: string): ParsedTarget {
  const { host, port } = splitPort(path);
  if (port === undefined) return wrong(path, "a port of 1–65535");
  const ip = canonicalIp(host);
  if (ip !== undefined) return { value: { kind: "address", ip, port }, error: undefined };
  const name = parseServiceName(host, clusterDomain);
  if (!name) return wrong(path, `<service>.<namespace>.svc.${clusterDomain}`);
  return { value: { kind: "service", name, port }, error: undefined };
}

/** The name a service goes by in profiles and in DNS. */
export function serviceFqdn(service: string, namespace: string, clusterDomain: string): string {
  return `${service}.${namespace}.svc.${clusterDomain}`;
}

function wrong(path: string, wanted: string): ParsedTarget {
  return { value: undefined, error: `Cannot parse authority "${path.slice(0, 300)}": wanted ${wanted}` };
}

function splitPort(path: string): { host: string; port: number | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(path);
  if (bracketed) return { host: bracketed[1]!, port: parsePort(bracketed[2]) };
  const colon = path.indexOf(":");
  if (colon < 0) return { host: path, port: DEFAULT_PORT };
  return { host: path.slice(0, colon), port: parsePort(path.slice(colon + 1)) };
}

function parsePort(text: string | undefined): number | undefined {
  if (text === undefined) return DEFAULT_PORT;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

function parseServiceName(host: string, clusterDomain: string): ServiceName | undefined {
  const labels = host.split(".");
  const suffix = ["svc", ...clusterDomain.split(".")];
  if (labels.some((label) => label === "") || labels.length <= suffix.length) return undefined;
  if (labels.slice(-suffix.length).join(".") !== suffix.join(".")) return undefined;
  const own = labels.slice(0, -suffix.length);
  if (own.length === 2) return { hostname: undefined, service: own[0]!, namespace: own[1]! };
  if (own.length === 3) return { hostname: own[0], service: own[1]!, namespace: own[2]! };
  return undefined;
}
