import type { Command } from "commander";
import { addProxyFlags, type ProxyFlags, wholeNumber } from "./proxy-flags.ts";
import { addValuesFlags, type ValuesFlags } from "./values-flags.ts";

/** The flags that install and upgrade share. */
export interface InstallFlags extends ProxyFlags, ValuesFlags {
  crds?: boolean;
  ignoreCluster?: boolean;
  output: string;
  clusterDomain?: string;
  identityTrustDomain?: string;
  identityExternalIssuer?: boolean;
  identityExternalCa?: boolean;
  linkerdCniEnabled?: boolean;
  controllerLogLevel?: string;
  ha?: boolean;
  controllerReplicas?: number;
  controllerUid?: number;
  controllerGid?: number;
  disableH2Upgrade?: boolean;
  disableHeartbeat?: boolean;
  identityIssuanceLifetime?: string;
  identityClockSkewAllowance?: string;
  identityIssuerCertificateFile?: string;
  identityIssuerKeyFile?: string;
  identityTrustAnchorsFile?: string;
  enableEndpointSlices?: boolean;
}

/** Adds the flags that install and upgrade share. */
export function addInstallFlags(command: Command): void {
  command
    .option("--linkerd-cni-enabled", "network rules are set up by the CNI plugin")
    .option("--controller-log-level <level>", "log level of the control plane")
    .option("--ha", "high availability: three replicas, budgets, anti-affinity")
    .option("--controller-replicas <count>", "replicas of each control-plane program", wholeNumber)
    .option("--controller-uid <id>", "run the control plane as this user", wholeNumber)
    .option("--controller-gid <id>", "run the control plane as this group", wholeNumber)
    .option("--disable-h2-upgrade", "leave HTTP/1.1 between meshed pods as it is")
    .option("--disable-heartbeat", "accepted for compatibility: there is no heartbeat")
    .option("--identity-issuance-lifetime <duration>", "how long proxies' certificates are valid, as in 24h0m0s")
    .option("--identity-clock-skew-allowance <duration>", "how far clocks may disagree, as in 20s")
    .option("--identity-issuer-certificate-file <path>", "PEM certificate of the issuer")
    .option("--identity-issuer-key-file <path>", "PEM key of the issuer")
    .option("--identity-trust-anchors-file <path>", "PEM certificates of the trust anchors")
    .option("--enable-endpoint-slices [bool]", "use EndpointSlices for discovery", (text) => text !== "false");
  addProxyFlags(command);
  addValuesFlags(command);
}
