import { IDENTITY_AUDIENCE } from "#contracts/labels";
import type { Volume } from "#kube/types";
import type { Values } from "../values.ts";

/** The lock file that concurrent iptables runs share. */
export function xtablesVolume(values: Values): Volume {
  return { emptyDir: {}, name: values.proxyInit.xtMountPath.name };
}

/** What the proxy's container mounts, in the order in which a patch adds it. */
export function proxyVolumes(values: Values): Volume[] {
  const volumes: Volume[] = [{ emptyDir: { medium: "Memory" }, name: "linkerd-identity-end-entity" }];
  if (values.proxy.tracing.enabled) volumes.push(podInfoVolume());
  if (values.identity.serviceAccountTokenProjection) volumes.push(tokenVolume());
  return volumes;
}

/** Both files: the environment names both. */
function podInfoVolume(): Volume {
  return {
    name: "linkerd-podinfo",
    downwardAPI: {
      items: [
        { path: "labels", fieldRef: { fieldPath: "metadata.labels" } },
        { path: "annotations", fieldRef: { fieldPath: "metadata.annotations" } },
      ],
    },
  };
}

const TOKEN_LIFETIME_S = 24 * 60 * 60; // the kubelet renews it after 80 % of this

function tokenVolume(): Volume {
  const serviceAccountToken = {
    path: "linkerd-identity-token",
    expirationSeconds: TOKEN_LIFETIME_S,
    audience: IDENTITY_AUDIENCE,
  };
  return { name: "linkerd-identity-token", projected: { sources: [{ serviceAccountToken }] } };
}
