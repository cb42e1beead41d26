/**
 * The node's network: one bridge, and a namespace with one veth per pod. A pod's address is a /32 whose only way out
 * is the node, so that every connection between pods passes the node's connection tracking, where Services live.
 */
import { mkdirSync, unlinkSync, writeFileSync } from "node:fs";
import { API_ADDRESS, DNS_ADDRESS, NODE_ADDRESS, SERVICE_NETWORK } from "./addresses.ts";
import type { Commands } from "./commands.ts";
import { makeNetworkNamespace, unmountTree } from "./system-calls.ts";

// A bridge without an address of its own takes that of its lowest port: each new pod could change the gateway's address
// under the others, and their packets would be lost until they ask again, many seconds later.
const BRIDGE_MAC = "0a:58:0a:f4:00:01"; // locally administered

const NAMES = "/run/netns"; // where `ip -n NAME` looks

export interface PodNetwork {
  /** Name for `ip -n`. */
  readonly name: string;
  /** Path for `nsenter --net=`. */
  readonly path: string;
  readonly address: string;
}

/** Makes the bridge and the node's own addresses. Runs once, in the node's private namespaces. */
export async function openNodeNetwork(commands: Commands): Promise<void> {
  mkdirSync(NAMES, { recursive: true });
  for (const [name, value] of Object.entries(NODE_SYSCTLS)) trySysctl(name, value);
  await commands.run(
    ["ip", "-batch", "-"],
    [
      "link set lo up",
      `addr add ${API_ADDRESS}/32 dev lo`,
      `addr add ${DNS_ADDRESS}/32 dev lo`,
      `link add br0 address ${BRIDGE_MAC} type bridge`,
      `addr add ${NODE_ADDRESS}/16 dev br0`,
      "link set br0 up",
      `route add ${SERVICE_NETWORK} dev br0`, // so that a Service without endpoints is refused, not unroutable
      "",
    ].join("\n"),
  );
}

const NODE_SYSCTLS = {
  "net/ipv4/ip_forward": "1",
  "net/ipv4/conf/all/send_redirects": "0", // packets leave by the bridge they came from, on purpose
  "net/ipv4/conf/default/send_redirects": "0",
  "net/bridge/bridge-nf-call-iptables": "0", // translation happens once, where packets are routed, not also on the bridge
};

const POD_SYSCTLS = {
  "net/ipv4/ip_unprivileged_port_start": "0", // as container runtimes set it
  "net/ipv4/conf/all/route_localnet": "0",
};

/** Makes a pod's namespace and joins it to the bridge. `number` is unique among the pods that live. */
export async function openPodNetwork(commands: Commands, number: number, address: string): Promise<PodNetwork> {
  const name = `pod${number}`;
  const path = `${NAMES}/${name}`;
  makeNetworkNamespace(path, () => {
    for (const [key, value] of Object.entries(POD_SYSCTLS)) trySysctl(key, value);
  });
  const outside = [
    `link add v${number} type veth peer name eth0 netns ${name}`,
    `link set v${number} master br0 up`,
    `route add ${address}/32 dev br0`,
    "",
  ];
  const inside = [
    "link set lo up",
    `addr add ${address}/32 dev eth0`,
    "link set eth0 up",
    `route add ${NODE_ADDRESS} dev eth0 scope link`,
    `route add default via ${NODE_ADDRESS}`,
    "",
  ];
  await commands.run(["ip", "-batch", "-"], outside.join("\n"));
  await commands.run(["ip", "-n", name, "-batch", "-"], inside.join("\n"));
  return { name, path, address };
}

/** Lets go of the namespace; it and its link end with the last process inside. */
export async function closePodNetwork(commands: Commands, network: PodNetwork): Promise<void> {
  await commands.run(["ip", "route", "del", `${network.address}/32`]).catch(() => {}); // gone with the bridge already
  unmountTree(network.path);
  unlinkSync(network.path);
}

function trySysctl(name: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/${name}`, value);
  } catch {
    // Kernels differ in what an unprivileged owner of the namespace may set; what matters shows in the first request.
  }
}
