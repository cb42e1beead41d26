import type { Pod } from "#kube/types";
import { CLUSTER_DOMAIN, DNS_ADDRESS } from "./addresses.ts";

/** The files kubelets write into every container: resolver, hosts, host name. By absolute path. */
export function podTexts(pod: Pod, podIp: string): Record<string, string> {
  const hostname = hostnameOf(pod);
  return {
    "/etc/resolv.conf": resolvConf(pod),
    "/etc/hosts": hosts(pod, podIp, hostname),
    "/etc/hostname": `${hostname}\n`,
    // This machine's own order may ask services (mDNS, systemd-resolved) that a pod cannot reach.
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
  };
}

export function hostnameOf(pod: Pod): string {
  return (pod.spec?.hostname ?? pod.metadata.name).slice(0, 63);
}

function resolvConf(pod: Pod): string {
  const spec = pod.spec;
  const namespace = pod.metadata.namespace ?? "default";
  const isOwnOnly = spec?.dnsPolicy === "None";
  const isPlain = isOwnOnly || spec?.dnsPolicy === "Default";
  const searches = isPlain ? [] : [`${namespace}.svc.${CLUSTER_DOMAIN}`, `svc.${CLUSTER_DOMAIN}`, CLUSTER_DOMAIN];
  const servers = [...(isOwnOnly ? [] : [DNS_ADDRESS]), ...(spec?.dnsConfig?.nameservers ?? [])];
  const options = new Map<string, string | undefined>(isPlain ? [] : [["ndots", "5"]]);
  for (const option of spec?.dnsConfig?.options ?? []) if (option.name) options.set(option.name, option.value);
  const allSearches = [...searches, ...(spec?.dnsConfig?.searches ?? [])];
  const lines = servers.map((server) => `nameserver ${server}`);
  if (allSearches.length > 0) lines.push(`search ${allSearches.join(" ")}`);
  if (options.size > 0)
    lines.push(`options ${[...options].map(([k, v]) => (v === undefined ? k : `${k}:${v}`)).join(" ")}`);
  return `${lines.join("\n")}\n`;
}

function hosts(pod: Pod, podIp: string, hostname: string): string {
  const namespace = pod.metadata.namespace ?? "default";
  const subdomain = pod.spec?.subdomain;
  const full = subdomain ? `${hostname}.${subdomain}.${namespace}.svc.${CLUSTER_DOMAIN} ` : "";
  const aliases = (pod.spec?.hostAliases ?? []).map((alias) => `${alias.ip}\t${(alias.hostnames ?? []).join(" ")}`);
  return `${["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", `${podIp}\t${full}${hostname}`, ...aliases].join("\n")}\n`;
}
