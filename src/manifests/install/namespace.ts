import { ANNOTATIONS, LABELS } from "#contracts/labels";
import { type Manifest, metadata, type Rendering } from "./object.ts";

/** The control plane's own namespace: never injected, its pods may set up network rules (unless a CNI plugin does). */
export function namespaceObject(rendering: Rendering): Manifest {
  const enforce = rendering.values.cniEnabled ? "restricted" : "privileged";
  return {
    kind: "Namespace",
    apiVersion: "v1",
    metadata: metadata(rendering, rendering.namespace, {
      namespaced: false,
      annotations: { [ANNOTATIONS.inject]: "disabled" },
      labels: {
        [LABELS.isControlPlane]: "true",
        [LABELS.admissionWebhooks]: "disabled",
        "pod-security.kubernetes.io/enforce": enforce,
      },
    }),
  };
}
