/**
 * Identity: certifies proxies. A proxy proves its ServiceAccount with a token; identity answers with a certificate for
 * that account's name, valid for a day, signed by the issuer whose files it watches.
 * It keeps nothing: no list of certificates, no cache of tokens.
 *
 * Reading order: core.ts (who may have which name, for how long) · trust-material.ts (issuer and roots from files)
 * · token-reviewer.ts (whose token) · certifier.ts (the request's way) · events.ts · program.ts (all put together).
 */

import { KubeClient } from "#kube";
import { type Env, runProgram } from "#lib/program";
import { addressFlag, durationFlag, numberFlag, textFlag } from "#lib/program-flags";
import { startIdentity } from "./program.ts";

export { type IdentityConfig, type IdentityProgram, startIdentity } from "./program.ts";

const FLAGS = {
  addr: addressFlag(":8080"),
  "admin-addr": addressFlag(":9990"),
  "controller-namespace": textFlag("linkerd"),
  "identity-trust-domain": textFlag("cluster.local"),
  "identity-issuance-lifetime": durationFlag(24 * 3_600_000),
  "identity-clock-skew-allowance": durationFlag(20_000),
  "identity-scheme": textFlag("linkerd.io/tls"),
  "issuer-directory": textFlag("/var/run/linkerd/identity/issuer"),
  "trust-roots-file": textFlag("/var/run/linkerd/identity/trust-roots/ca-bundle.crt"),
  "kube-apiclient-qps": numberFlag(100), // accepted for Linkerd's manifests: calls are bounded by how many run at once
  "kube-apiclient-burst": numberFlag(200),
} as const;

/** Runs identity until it is told to stop. */
export function run(args: readonly string[], env: Env): Promise<number> {
  return runProgram("identity", args, FLAGS, async (flags, log) => {
    const isLinkerdScheme = flags["identity-scheme"] === "linkerd.io/tls";
    const directory = flags["issuer-directory"];
    return startIdentity(
      {
        listen: flags.addr,
        admin: flags["admin-addr"],
        domain: { controlPlaneNs: flags["controller-namespace"], trustDomain: flags["identity-trust-domain"] },
        lifetimeMs: flags["identity-issuance-lifetime"],
        skewMs: flags["identity-clock-skew-allowance"],
        files: {
          issuerCertPath: `${directory}/${isLinkerdScheme ? "crt.pem" : "tls.crt"}`,
          issuerKeyPath: `${directory}/${isLinkerdScheme ? "key.pem" : "tls.key"}`,
          trustRootsPath: flags["trust-roots-file"],
          trustRootsPem: env("LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS"),
        },
      },
      { client: KubeClient.forProgram(flags.kubeconfig, env), log },
    );
  });
}
