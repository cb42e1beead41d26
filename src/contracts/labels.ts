/** Labels and annotations of workloads and of the mesh's own objects. */
export const LABELS = {
  controlPlaneNs: "linkerd.io/control-plane-ns",
  workloadNs: "linkerd.io/workload-ns",
  controlPlaneComponent: "linkerd.io/control-plane-component",
  extension: "linkerd.io/extension",
  isControlPlane: "linkerd.io/is-control-plane",
  proxyDeployment: "linkerd.io/proxy-deployment",
  proxyReplicationController: "linkerd.io/proxy-replicationcontroller",
  proxyReplicaSet: "linkerd.io/proxy-replicaset",
  proxyJob: "linkerd.io/proxy-job",
  proxyDaemonSet: "linkerd.io/proxy-daemonset",
  proxyStatefulSet: "linkerd.io/proxy-statefulset",
  proxyCronJob: "linkerd.io/proxy-cronjob",
  admissionWebhooks: "config.linkerd.io/admission-webhooks",
  serviceName: "kubernetes.io/service-name",
} as const;

export const ANNOTATIONS = {
  inject: "linkerd.io/inject",
  createdBy: "linkerd.io/created-by",
  proxyVersion: "linkerd.io/proxy-version",
  trustRootSha256: "linkerd.io/trust-root-sha256",
  opaquePorts: "config.linkerd.io/opaque-ports",
  skipInboundPorts: "config.linkerd.io/skip-inbound-ports",
  defaultInboundPolicy: "config.linkerd.io/default-inbound-policy",
  requireIdentityInboundPorts: "config.linkerd.io/proxy-require-identity-inbound-ports",
} as const;

/** Annotations under this prefix configure a workload's proxy. */
export const CONFIG_PREFIX = "config.linkerd.io/";

/** The audience of the token with which a proxy asks for its certificate. */
export const IDENTITY_AUDIENCE = "identity.l5d.io";
