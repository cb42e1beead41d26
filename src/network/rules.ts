import type { InitOptions } from "./init-options.ts";
import { multiportLists } from "./port-ranges.ts";

export type Family = "ip" | "ip6";

/**
 * The pod's rules as input for `iptables-restore --noflush`: one transaction, so that there is no moment with half of them.
 * Naming a chain creates it or empties it; the two hooks are added unless `saved` (the table as it is) has them. So a
 * second run leaves the same rules.
 */
export function ruleset(options: InitOptions, family: Family, saved: string): string {
  const lines = [
    "*nat",
    `:${REDIRECT} - [0:0]`,
    `:${OUTPUT} - [0:0]`,
    ...inboundRules(options, family),
    ...hook(saved, "PREROUTING", REDIRECT, "install-proxy-init-prerouting"),
    ...outboundRules(options),
    ...hook(saved, "OUTPUT", OUTPUT, "install-proxy-init-output"),
    "COMMIT",
  ];
  return `${lines.join("\n")}\n`;
}

/** What comes to the pod goes to the proxy, but for ports and sources that are to be left alone. */
function inboundRules(options: InitOptions, family: Family): string[] {
  const rules = multiportLists(options.ignoredInboundPorts).map((list) => ignorePorts(REDIRECT, list));
  for (const subnet of options.ignoredSubnets.filter((one) => isOfFamily(one, family))) {
    rules.push(rule(REDIRECT, `-s ${subnet} -j RETURN`, `ignore-subnet-${subnet}`));
  }
  const target = `-j REDIRECT --to-ports ${options.inboundPort}`;
  if (options.redirectedPorts.length === 0) {
    rules.push(rule(REDIRECT, `-p tcp ${target}`, "redirect-all-incoming-to-proxy-port"));
  }
  for (const { first, last } of options.redirectedPorts) {
    const ports = first === last ? String(first) : `${first}:${last}`;
    rules.push(rule(REDIRECT, `-p tcp --dport ${ports} ${target}`, `redirect-port-${ports}-to-proxy-port`));
  }
  return rules;
}

/** What the pod sends goes to the proxy, but for what the proxy itself sends and what stays in the pod. */
function outboundRules(options: InitOptions): string[] {
  const rules: string[] = [];
  if (options.proxyUid > 0) {
    rules.push(rule(OUTPUT, `-m owner --uid-owner ${options.proxyUid} -j RETURN`, "ignore-proxy-user-id"));
  }
  if (options.proxyGid > 0) {
    rules.push(rule(OUTPUT, `-m owner --gid-owner ${options.proxyGid} -j RETURN`, "ignore-proxy-group-id"));
  }
  rules.push(rule(OUTPUT, "-o lo -j RETURN", "ignore-loopback"));
  rules.push(...multiportLists(options.ignoredOutboundPorts).map((list) => ignorePorts(OUTPUT, list)));
  const target = `-p tcp -j REDIRECT --to-ports ${options.outboundPort}`;
  rules.push(rule(OUTPUT, target, "redirect-all-outgoing-to-proxy-port"));
  return rules;
}

function ignorePorts(chain: string, list: string): string {
  return rule(chain, `-p tcp -m multiport --dports ${list} -j RETURN`, `ignore-port-${list}`);
}

function hook(saved: string, from: string, chain: string, name: string): string[] {
  const isThere = saved
    .split("\n")
    .some((line) => line.startsWith(`-A ${from} `) && line.trim().endsWith(`-j ${chain}`));
  return isThere ? [] : [rule(from, `-j ${chain}`, name)];
}

function rule(chain: string, text: string, name: string): string {
  return `-A ${chain} ${text} -m comment --comment "proxy-init/${name}"`;
}

function isOfFamily(subnet: string, family: Family): boolean {
  return subnet.includes(":") === (family === "ip6");
}

const REDIRECT = "PROXY_INIT_REDIRECT";
const OUTPUT = "PROXY_INIT_OUTPUT";
