import { DEFAULT_CLUSTER_NETWORKS, DEFAULT_OPAQUE_PORTS, PORTS } from "#contracts/ports";
import { COMMON_FLAGS } from "#lib/program";
import { addressFlag, type Flag, type FlagValues, numberFlag, switchFlag, textFlag } from "#lib/program-flags";
import { IpNetwork } from "#net/address";
import { DEFAULT_POLICIES, type DefaultPolicy, isDefaultPolicy } from "../core/authorization.ts";
import type { PolicyConfig } from "../index/objects.ts";

const networksFlag = (fallback: string): Flag<readonly IpNetwork[]> => ({
  fallback: parseNetworks(fallback)!,
  wanted: "networks like 10.0.0.0/8,fd00::/8",
  parse: parseNetworks,
});

function parseNetworks(text: string): readonly IpNetwork[] | undefined {
  const networks = text === "" ? [] : text.split(",").map((one) => IpNetwork.parse(one));
  return networks.includes(undefined) ? undefined : (networks as IpNetwork[]);
}

const defaultPolicyFlag: Flag<DefaultPolicy> = {
  fallback: "all-unauthenticated",
  wanted: `one of ${DEFAULT_POLICIES.join(", ")}`,
  parse: (text) => (isDefaultPolicy(text) ? text : undefined),
};

/** Linkerd's arguments of its policy controller. */
export const POLICY_FLAGS = {
  ...COMMON_FLAGS,
  "grpc-addr": addressFlag(`0.0.0.0:${PORTS.policy}`),
  "admin-addr": addressFlag(`0.0.0.0:${PORTS.policyAdmin}`),
  "server-addr": addressFlag(`0.0.0.0:${PORTS.policyWebhook}`),
  "server-tls-certs": textFlag("/var/run/linkerd/tls/tls.crt"),
  "server-tls-key": textFlag("/var/run/linkerd/tls/tls.key"),
  "admission-controller-disabled": switchFlag(false),
  "cluster-networks": networksFlag(DEFAULT_CLUSTER_NETWORKS),
  "identity-domain": textFlag("cluster.local"),
  "cluster-domain": textFlag("cluster.local"),
  "default-policy": defaultPolicyFlag,
  "default-opaque-ports": textFlag(DEFAULT_OPAQUE_PORTS),
  "control-plane-namespace": textFlag("linkerd"),
  "policy-deployment-name": textFlag("linkerd-destination"),
  "probe-networks": networksFlag(""),
  "global-egress-network-namespace": textFlag("linkerd-egress"),
  "allow-l5d-request-headers": switchFlag(false),
  "patch-timeout-ms": numberFlag(5_000),
};

/** What policies are computed with. */
export function policyConfig(flags: FlagValues<typeof POLICY_FLAGS>): PolicyConfig {
  return {
    clusterNetworks: flags["cluster-networks"],
    clusterDomain: flags["cluster-domain"],
    trustDomain: flags["identity-domain"],
    controlPlaneNs: flags["control-plane-namespace"],
    defaultPolicy: flags["default-policy"],
    defaultOpaquePorts: flags["default-opaque-ports"],
    probeNetworks: flags["probe-networks"],
    globalEgressNamespace: flags["global-egress-network-namespace"],
    allowL5dRequestHeaders: flags["allow-l5d-request-headers"],
  };
}
