import { type Command, Option } from "commander";
import type { DeepPartial, Values } from "#manifests/install";
import { CliError } from "./cli-error.ts";

/** The flags that shape the proxy, shared by install, upgrade and inject. Only what was typed is set. */
export interface ProxyFlags {
  proxyImage?: string;
  imagePullPolicy?: string;
  registry?: string;
  inboundPort?: number;
  outboundPort?: number;
  controlPort?: number;
  adminPort?: number;
  skipInboundPorts?: string[];
  skipOutboundPorts?: string[];
  proxyUid?: number;
  proxyGid?: number;
  proxyLogLevel?: string;
  proxyCpuRequest?: string;
  proxyCpuLimit?: string;
  proxyMemoryRequest?: string;
  proxyMemoryLimit?: string;
  enableExternalProfiles?: boolean;
  defaultInboundPolicy?: string;
  proxyVersion?: string;
}

export const INBOUND_POLICIES = [
  "all-authenticated",
  "all-unauthenticated",
  "cluster-authenticated",
  "cluster-unauthenticated",
  "deny",
  "audit",
] as const;

/** Adds the proxy flags to a command. */
export function addProxyFlags(command: Command): Command {
  return command
    .addOption(new Option("--proxy-image <name>", "image of the proxy").hideHelp())
    .addOption(new Option("--image-pull-policy <policy>", "Always, IfNotPresent or Never").hideHelp())
    .option("--registry <prefix>", "registry to pull images from")
    .option("--inbound-port <port>", "proxy port for inbound traffic", portNumber)
    .option("--outbound-port <port>", "proxy port for outbound traffic", portNumber)
    .option("--control-port <port>", "proxy port for tap", portNumber)
    .option("--admin-port <port>", "proxy port for metrics and probes", portNumber)
    .option("--skip-inbound-ports <ports>", "ports and ranges that bypass the proxy on the way in", portList)
    .option("--skip-outbound-ports <ports>", "ports and ranges that bypass the proxy on the way out", portList)
    .option("--proxy-uid <id>", "run the proxy as this user", wholeNumber)
    .option("--proxy-gid <id>", "run the proxy as this group", wholeNumber)
    .option("--proxy-log-level <level>", "log level of the proxy, as in warn,linkerd=info")
    .option("--proxy-cpu-request <amount>", "CPU units that the proxy requests", quantity)
    .option("--proxy-cpu-limit <amount>", "CPU units that the proxy may use", quantity)
    .option("--proxy-memory-request <amount>", "memory that the proxy requests", quantity)
    .option("--proxy-memory-limit <amount>", "memory that the proxy may use", quantity)
    .option("--enable-external-profiles", "service profiles for names outside the cluster")
    .option("--default-inbound-policy <policy>", `one of ${INBOUND_POLICIES.join(", ")}`, inboundPolicy)
    .addOption(new Option("-v, --proxy-version <version>", "tag of the proxy's image").hideHelp());
}

/** The flags as values to lay over the others. */
export function proxyOverrides(flags: ProxyFlags, base: Values, registry: string | undefined): DeepPartial<Values> {
  const { registry: flag = registry } = flags;
  return prune({
    ...(flag ? registryOverrides(flag, base) : {}),
    imagePullPolicy: flags.imagePullPolicy && pullPolicy(flags.imagePullPolicy),
    proxy: {
      image: {
        ...(flags.proxyImage ? { name: flags.proxyImage } : imageName(flag, base.proxy.image.name)),
        version: flags.proxyVersion,
        pullPolicy: flags.imagePullPolicy,
      },
      ports: {
        inbound: flags.inboundPort,
        outbound: flags.outboundPort,
        control: flags.controlPort,
        admin: flags.adminPort,
      },
      uid: flags.proxyUid,
      gid: flags.proxyGid,
      logLevel: flags.proxyLogLevel,
      enableExternalProfiles: flags.enableExternalProfiles,
      defaultInboundPolicy: flags.defaultInboundPolicy,
      resources: {
        cpu: { request: flags.proxyCpuRequest, limit: flags.proxyCpuLimit },
        memory: { request: flags.proxyMemoryRequest, limit: flags.proxyMemoryLimit },
      },
      runtime: {
        workers: { minimum: wholeCores(flags.proxyCpuRequest), maximum: wholeCores(flags.proxyCpuLimit) },
      },
    },
    proxyInit: {
      ignoreInboundPorts: flags.skipInboundPorts?.join(","),
      ignoreOutboundPorts: flags.skipOutboundPorts?.join(","),
    },
  });
}

function registryOverrides(registry: string, base: Values): Record<string, unknown> {
  return {
    controllerImage: underRegistry(registry, base.controllerImage),
    policyController: { image: imageName(registry, base.policyController.image.name) },
    debugContainer: { image: imageName(registry, base.debugContainer.image.name) },
  };
}

function imageName(registry: string | undefined, name: string): { name?: string } {
  return registry ? { name: underRegistry(registry, name) } : {};
}

/** Everything up to the last slash is the registry's. */
function underRegistry(registry: string, image: string): string {
  return `${registry.replace(/\/+$/, "")}/${image.split("/").at(-1)}`;
}

/** The tree without what is undefined, so that merging leaves the rest alone. */
function prune(tree: Record<string, unknown>): DeepPartial<Values> {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(tree)) {
    if (value === undefined || value === "") continue;
    const inner = typeof value === "object" && value !== null && !Array.isArray(value);
    const pruned = inner ? prune(value as Record<string, unknown>) : value;
    if (!inner || Object.keys(pruned as object).length > 0) kept[key] = pruned;
  }
  return kept as DeepPartial<Values>;
}

export function wholeNumber(text: string): number {
  if (!/^-?[0-9]+$/.test(text)) throw new CliError(`Cannot read "${text}": wanted a whole number`);
  return Number(text);
}

function portNumber(text: string): number {
  const port = wholeNumber(text);
  if (port < 1 || port > 65535) throw new CliError(`Cannot use port "${text}": wanted 1 to 65535`);
  return port;
}

/** Adds the ports and ranges of one flag to those of the flags before it. */
export function portList(text: string, before: string[] = []): string[] {
  const ports = text.split(",").map((part) => part.trim());
  for (const part of ports) {
    const match = /^([0-9]+)(?:-([0-9]+))?$/.exec(part);
    const [low, high] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (!match || low > high || high > 65535) {
      throw new CliError(`Cannot read ports "${text}": "${part}" is neither a port nor a range such as 8000-8100`);
    }
  }
  return [...before, ...ports];
}

const QUANTITY = /^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/;

function quantity(text: string): string {
  if (!QUANTITY.test(text))
    throw new CliError(`Cannot read quantity "${text}": wanted a number such as 100m, 2 or 64Mi`);
  return text;
}

function wholeCores(cpu: string | undefined): number | undefined {
  if (!cpu) return undefined;
  return Math.ceil(cpu.endsWith("m") ? Number(cpu.slice(0, -1)) / 1000 : Number(cpu));
}

function inboundPolicy(text: string): string {
  if ((INBOUND_POLICIES as readonly string[]).includes(text)) return text;
  throw new CliError(`--default-inbound-policy must be one of: ${INBOUND_POLICIES.join(", ")} (got ${text})`);
}

function pullPolicy(text: string): string {
  if (["Always", "IfNotPresent", "Never"].includes(text)) return text;
  throw new CliError("--image-pull-policy must be one of: Always, IfNotPresent, Never");
}
