import { type FlagShape, readFlags, readNumber, readSwitch } from "./flag-reader.ts";
import type { InitOptions } from "./init-options.ts";
import { type PortRange, parsePortRanges } from "./port-ranges.ts";

/** Reads the flags of `network-init`. Gives the options, or everything that is wrong with them. */
export function parseInitFlags(args: readonly string[]): { options: InitOptions } | { errors: readonly string[] } {
  const flags = readFlags(args, SHAPES);
  const errors = [...flags.errors];
  const port = (name: string) => readNumber(flags, name, { fallback: -1, min: 0, max: 65_535 }, errors);
  const id = (name: string) => readNumber(flags, name, { fallback: -1, min: -1, max: 2 ** 32 - 2 }, errors);
  const isOn = (name: string, fallback: boolean) => readSwitch(flags, name, fallback, errors);
  const ports = (name: string): PortRange[] => parsePortRanges(flags.values.get(name) ?? "", errors);
  const seconds = { fallback: 0, min: 0, max: 2 ** 31 - 1 };
  const options: InitOptions = {
    inboundPort: port("incoming-proxy-port"),
    outboundPort: port("outgoing-proxy-port"),
    proxyUid: id("proxy-uid"),
    proxyGid: id("proxy-gid"),
    redirectedPorts: ports("ports-to-redirect"),
    ignoredInboundPorts: ports("inbound-ports-to-ignore"),
    ignoredOutboundPorts: ports("outbound-ports-to-ignore"),
    ignoredSubnets: parseSubnets(flags.values.get("subnets-to-ignore") ?? "", errors),
    isSimulation: isOn("simulate", false),
    netns: flags.values.get("netns") ?? "",
    waitsForLock: isOn("use-wait-flag", false),
    closeWaitTimeoutSecs: readNumber(flags, "timeout-close-wait-secs", seconds, errors),
    mode: parseMode(flags.values.get("iptables-mode") ?? "", flags.values, errors),
    isIpv6: isOn("ipv6", true),
    logFormat: flags.values.get("log-format") === "json" ? "json" : "plain",
    logLevel: flags.values.get("log-level") ?? "info",
  };
  return errors.length > 0 ? { errors } : { options };
}

/** The mode, or the one that the older flags with names of programs mean. */
function parseMode(mode: string, values: ReadonlyMap<string, string>, errors: string[]): InitOptions["mode"] {
  if (mode === "nft" || mode === "legacy" || mode === "plain") return mode;
  if (mode !== "") errors.push(`Cannot use --iptables-mode ${JSON.stringify(mode)}: wanted legacy, nft or plain`);
  const path = values.get("firewall-bin-path") ?? "";
  if (!Object.hasOwn(MODE_OF, path)) {
    errors.push(
      `Cannot use --firewall-bin-path ${JSON.stringify(path)}: wanted iptables-legacy, iptables-nft or iptables`,
    );
  }
  return MODE_OF[path] ?? "legacy";
}

function parseSubnets(text: string, errors: string[]): string[] {
  const subnets = text.split(",").map((part) => part.trim());
  return subnets.filter((subnet) => {
    if (subnet === "") return false;
    const [address, bits = ""] = subnet.split("/", 2);
    const maxBits = isIpv4(address) ? 32 : isIpv6(address) ? 128 : -1;
    const isSound = /^\d{1,3}$/.test(bits) && Number(bits) <= maxBits;
    if (!isSound) errors.push(`Cannot read subnet ${JSON.stringify(subnet)}: wanted CIDR notation like 10.0.0.0/8`);
    return isSound;
  });
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
}

function isIpv6(text: string): boolean {
  return /^[0-9a-fA-F:.]+$/.test(text) && URL.canParse(`http://[${text}]/`);
}

const MODE_OF: Readonly<Record<string, InitOptions["mode"]>> = {
  "": "legacy",
  "iptables-legacy": "legacy",
  "iptables-nft": "nft",
  iptables: "plain",
};

const SHAPES: Readonly<Record<string, FlagShape>> = {
  "incoming-proxy-port": { kind: "value", short: "p" },
  "outgoing-proxy-port": { kind: "value", short: "o" },
  "proxy-uid": { kind: "value", short: "u" },
  "proxy-gid": { kind: "value", short: "g" },
  "ports-to-redirect": { kind: "value", short: "r" },
  "inbound-ports-to-ignore": { kind: "value" },
  "outbound-ports-to-ignore": { kind: "value" },
  "subnets-to-ignore": { kind: "value" },
  simulate: { kind: "switch" },
  netns: { kind: "value" },
  "use-wait-flag": { kind: "switch", short: "w" },
  "timeout-close-wait-secs": { kind: "value" },
  "log-format": { kind: "value" },
  "log-level": { kind: "value" },
  "iptables-mode": { kind: "value" },
  "firewall-bin-path": { kind: "value" },
  "firewall-save-bin-path": { kind: "value" },
  ipv6: { kind: "switch" },
};
