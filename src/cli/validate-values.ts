import { parseDuration } from "#lib/duration";
import { trustDomain, type Values } from "#manifests/install";
import { CliError } from "./cli-error.ts";
import { INBOUND_POLICIES } from "./proxy-flags.ts";

const LOG_LEVELS = ["panic", "fatal", "error", "warn", "info", "debug", "trace"];

/** Refuses values that would render but not run. Throws with the flag or value to change. */
export function validateValues(values: Values): void {
  const problem = firstProblem(values);
  if (problem) throw new CliError(problem);
}

function firstProblem(values: Values): string | undefined {
  const { proxy } = values;
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]*$/.test(values.linkerdVersion)) {
    return `${values.linkerdVersion} is not a valid version`;
  }
  if (!LOG_LEVELS.includes(values.controllerLogLevel)) {
    return `--controller-log-level must be one of: ${LOG_LEVELS.join(", ")} (got ${values.controllerLogLevel})`;
  }
  if (!proxy.logLevel) return "--proxy-log-level must not be empty";
  if (!/^[\w:=,{}[\]"'*.\- ]+$/.test(proxy.logLevel)) {
    return `"${proxy.logLevel}" is not a valid proxy log level; wanted a form such as warn,linkerd=info`;
  }
  if (!isDomain(trustDomain(values)))
    return `invalid trust domain '${trustDomain(values)}': wanted a DNS name in lower case`;
  const policies: readonly string[] = INBOUND_POLICIES;
  if (!policies.includes(proxy.defaultInboundPolicy)) {
    return `--default-inbound-policy must be one of: ${policies.join(", ")} (got ${proxy.defaultInboundPolicy})`;
  }
  return networkProblem(values) ?? durationProblem(values) ?? resourceProblem(values);
}

function isDomain(text: string): boolean {
  return /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text) && text.length <= 253;
}

function networkProblem({ clusterNetworks }: Values): string | undefined {
  for (const network of clusterNetworks.split(",")) {
    const isV4 = /^([0-9]{1,3}\.){3}[0-9]{1,3}\/([0-9]|[12][0-9]|3[0-2])$/.test(network);
    const isV6 = /^[0-9a-fA-F:]+\/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8])$/.test(network) && network.includes(":");
    if (!isV4 && !isV6) return `cannot parse clusterNetworks "${network}": wanted a CIDR such as 10.0.0.0/8`;
  }
  return undefined;
}

function durationProblem({ identity }: Values): string | undefined {
  for (const [flag, text] of [
    ["--identity-issuance-lifetime", identity.issuer.issuanceLifetime],
    ["--identity-clock-skew-allowance", identity.issuer.clockSkewAllowance],
  ] as const) {
    const { error } = parseDuration(text);
    if (error) return `${flag}: ${error}`;
  }
  return undefined;
}

function resourceProblem({ proxy }: Values): string | undefined {
  for (const kind of ["cpu", "memory"] as const) {
    const { request, limit } = proxy.resources[kind];
    if (request && limit && amount(limit) < amount(request)) {
      return `The proxy's ${kind} limit of ${limit} cannot be lower than its request of ${request}`;
    }
  }
  return undefined;
}

const UNITS: Record<string, number> = {
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

function amount(quantity: string): number {
  const match = /^([0-9.]+)([a-zA-Z]*)$/.exec(quantity);
  return Number(match?.[1]) * (UNITS[match?.[2] ?? ""] ?? Number.NaN);
}
