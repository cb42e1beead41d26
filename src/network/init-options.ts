import type { PortRange } from "./port-ranges.ts";

/** What `network-init` is told by its flags. */
export interface InitOptions {
  readonly inboundPort: number;
  readonly outboundPort: number;
  /** Whose traffic is left alone; not used when 0 or below. */
  readonly proxyUid: number;
  readonly proxyGid: number;
  /** Only these inbound ports are redirected; empty: all. */
  readonly redirectedPorts: readonly PortRange[];
  readonly ignoredInboundPorts: readonly PortRange[];
  readonly ignoredOutboundPorts: readonly PortRange[];
  /** Sources whose inbound traffic is left alone, CIDR. */
  readonly ignoredSubnets: readonly string[];
  /** Only says what it would do. */
  readonly isSimulation: boolean;
  /** Path of another network namespace; empty: ours. */
  readonly netns: string;
  /** Waits for the lock that legacy iptables takes. */
  readonly waitsForLock: boolean;
  /** For nf_conntrack's CLOSE_WAIT; 0 leaves it. */
  readonly closeWaitTimeoutSecs: number;
  readonly mode: "legacy" | "nft" | "plain";
  readonly isIpv6: boolean;
  readonly logFormat: "plain" | "json";
  readonly logLevel: string;
}
