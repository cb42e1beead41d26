import { PORTS } from "#contracts/ports";
import type { Container } from "#kube/types";
import { container, controllerImage, deployment, disruptionBudget, service } from "./component.ts";
import { type Manifest, type Rendering, trustDomain } from "./object.ts";
import { proxyValues } from "./proxy.ts";
import {
  accountWithClusterRole,
  allows,
  clusterRole,
  clusterRoleBinding,
  type Rule,
  reads,
  role,
  roleBinding,
} from "./rbac.ts";
import { webhookObjects } from "./webhook.ts";

const POLICY_KINDS = [
  "authorizationpolicies",
  "httplocalratelimitpolicies",
  "httproutes",
  "meshtlsauthentications",
  "networkauthentications",
  "servers",
  "serverauthorizations",
  "egressnetworks",
];
const GATEWAY_KINDS = ["httproutes", "grpcroutes", "tlsroutes", "tcproutes"];
const LEASES = "coordination.k8s.io";

/** What destination, the profile validator and the policy controller may do: they share one pod and one account. */
export function destinationRbac(rendering: Rendering): Manifest[] {
  const component = "destination";
  const account = { name: "linkerd-destination", namespace: rendering.namespace };
  return [
    ...accountWithClusterRole(rendering, component, destinationRules(rendering)),
    ...profileWebhook(rendering),
    ...policyWebhook(rendering),
    clusterRole(rendering, "linkerd-policy", component, policyRules()),
    clusterRoleBinding(rendering, {
      name: "linkerd-destination-policy",
      component,
      role: "linkerd-policy",
      subjects: [account],
    }),
    role(rendering, "remote-discovery", component, [allows("", ["secrets"], "get", "list", "watch")]),
    roleBinding(rendering, {
      name: "linkerd-destination-remote-discovery",
      component,
      role: "remote-discovery",
      subjects: [account],
    }),
  ];
}

function destinationRules({ values }: Rendering): Rule[] {
  const slices = ["list", "get", "watch", "create", "update", "patch", "delete"];
  return [
    reads("apps", "replicasets"),
    reads("batch", "jobs"),
    reads("", "pods", "endpoints", "services", "nodes"),
    reads("linkerd.io", "serviceprofiles"),
    reads("workload.linkerd.io", "externalworkloads"),
    allows(LEASES, ["leases"], "create", "get", "update", "patch"),
    ...(values.enableEndpointSlices ? [allows("discovery.k8s.io", ["endpointslices"], ...slices)] : []),
  ];
}

function policyRules(): Rule[] {
  return [
    allows("", ["pods"], "get", "list", "watch"),
    allows("apps", ["deployments"], "get"),
    allows("policy.linkerd.io", POLICY_KINDS, "get", "list", "watch"),
    allows("gateway.networking.k8s.io", GATEWAY_KINDS, "get", "list", "watch"),
    allows(
      "policy.linkerd.io",
      ["httproutes/status", "httplocalratelimitpolicies/status", "egressnetworks/status"],
      "patch",
    ),
    allows(
      "gateway.networking.k8s.io",
      GATEWAY_KINDS.map((kind) => `${kind}/status`),
      "patch",
    ),
    allows("workload.linkerd.io", ["externalworkloads"], "get", "list", "watch"),
    allows(LEASES, ["leases"], "create", "get", "patch"),
  ];
}

function profileWebhook(rendering: Rendering): Manifest[] {
  return webhookObjects(rendering, {
    kind: "ValidatingWebhookConfiguration",
    service: "linkerd-sp-validator",
    component: "destination",
    tls: rendering.values.profileValidator,
    valuesKey: "profileValidator",
    rules: [
      {
        operations: ["CREATE", "UPDATE"],
        apiGroups: ["linkerd.io"],
        apiVersions: ["v1alpha1", "v1alpha2"],
        resources: ["serviceprofiles"],
      },
    ],
  });
}

function policyWebhook(rendering: Rendering): Manifest[] {
  const operations = ["CREATE", "UPDATE"];
  return webhookObjects(rendering, {
    kind: "ValidatingWebhookConfiguration",
    service: "linkerd-policy-validator",
    component: "destination",
    tls: rendering.values.policyValidator,
    valuesKey: "policyValidator",
    rules: [
      { operations, apiGroups: ["policy.linkerd.io"], apiVersions: ["*"], resources: POLICY_KINDS },
      { operations, apiGroups: ["gateway.networking.k8s.io"], apiVersions: ["*"], resources: GATEWAY_KINDS },
    ],
  });
}

export function destinationObjects(rendering: Rendering): Manifest[] {
  const component = "destination";
  const grpc = { name: "grpc", port: PORTS.destination, targetPort: PORTS.destination };
  const policy = { name: "grpc", port: PORTS.policy, targetPort: PORTS.policy };
  const https = (name: string) => ({ name, port: 443, targetPort: name });
  return [
    service(rendering, { name: "linkerd-dst", component, port: grpc }),
    service(rendering, { name: "linkerd-dst-headless", component, port: grpc, headless: true }),
    service(rendering, { name: "linkerd-sp-validator", component, port: https("sp-validator") }),
    service(rendering, { name: "linkerd-policy", component, port: policy, headless: true }),
    service(rendering, { name: "linkerd-policy-validator", component, port: https("policy-https") }),
    ...disruptionBudget(rendering, "linkerd-dst", component),
    destinationDeployment(rendering),
  ];
}

function destinationDeployment(rendering: Rendering): Manifest {
  const { values } = rendering;
  const ports = [
    PORTS.destination,
    PORTS.policy,
    PORTS.webhook,
    PORTS.policyWebhook,
    PORTS.policyAdmin,
    PORTS.destinationAdmin,
    PORTS.spValidatorAdmin,
  ];
  return deployment(rendering, {
    name: "destination",
    containers: [destination(rendering), profileValidator(rendering), policy(rendering)],
    volumes: [
      { name: "sp-tls", secret: { secretName: "linkerd-sp-validator-k8s-tls" } },
      { name: "policy-tls", secret: { secretName: "linkerd-policy-validator-k8s-tls" } },
    ],
    podAnnotations: values.destinationController.podAnnotations,
    proxyValues: proxyValues(rendering, {
      podInboundPorts: ports,
      ...(values.destinationProxyResources ? { resources: values.destinationProxyResources } : {}),
    }),
    restartsOn: destinationRbac(rendering),
  });
}

function destination(rendering: Rendering): Container {
  const { values, namespace } = rendering;
  const { additionalArgs = [], experimentalArgs = [], meshedHttp2ClientProtobuf } = values.destinationController;
  return container(rendering, {
    name: "destination",
    image: controllerImage(values),
    imagePullPolicy: values.imagePullPolicy,
    args: [
      "destination",
      `-addr=:${PORTS.destination}`,
      `-controller-namespace=${namespace}`,
      `-outbound-transport-mode=${values.proxy.outboundTransportMode}`,
      `-enable-h2-upgrade=${values.enableH2Upgrade}`,
      `-log-level=${values.controllerLogLevel}`,
      `-log-format=${values.controllerLogFormat}`,
      `-enable-endpoint-slices=${values.enableEndpointSlices}`,
      `-cluster-domain=${values.clusterDomain}`,
      `-identity-trust-domain=${trustDomain(values)}`,
      `-default-opaque-ports=${values.proxy.opaquePorts}`,
      `-enable-ipv6=${!values.disableIPv6}`,
      `-enable-pprof=${values.enablePprof}`,
      `--meshed-http2-client-params=${JSON.stringify(meshedHttp2ClientProtobuf)}`,
      ...additionalArgs,
      ...experimentalArgs,
    ],
    ports: { "dest-grpc": PORTS.destination, "dest-admin": PORTS.destinationAdmin },
    livePath: "/ping",
    adminPort: PORTS.destinationAdmin,
    timeouts: values.destinationController,
    ...(values.destinationResources ? { resources: values.destinationResources } : {}),
    mounts: [],
  });
}

function profileValidator(rendering: Rendering): Container {
  const { values } = rendering;
  const { additionalArgs = [], experimentalArgs = [] } = values.spValidator;
  return container(rendering, {
    name: "sp-validator",
    image: controllerImage(values),
    imagePullPolicy: values.imagePullPolicy,
    args: [
      "sp-validator",
      `-log-level=${values.controllerLogLevel}`,
      `-log-format=${values.controllerLogFormat}`,
      `-enable-pprof=${values.enablePprof}`,
      ...additionalArgs,
      ...experimentalArgs,
    ],
    ports: { "sp-validator": PORTS.webhook, "spval-admin": PORTS.spValidatorAdmin },
    livePath: "/ping",
    adminPort: PORTS.spValidatorAdmin,
    timeouts: values.spValidator,
    ...(values.spValidatorResources ? { resources: values.spValidatorResources } : {}),
    mounts: [{ mountPath: "/var/run/linkerd/tls", name: "sp-tls", readOnly: true }],
  });
}

function policy(rendering: Rendering): Container {
  const { values } = rendering;
  const { image } = values.policyController;
  return container(rendering, {
    name: "policy",
    image: `${image.name}:${image.version || values.linkerdVersion}`,
    imagePullPolicy: image.pullPolicy || values.imagePullPolicy,
    args: policyArgs(rendering),
    ports: {
      "policy-grpc": PORTS.policy,
      "policy-admin": PORTS.policyAdmin,
      "policy-https": PORTS.policyWebhook,
    },
    livePath: "/live",
    adminPort: PORTS.policyAdmin,
    timeouts: values.policyController,
    resources: values.policyController.resources,
    mounts: [{ mountPath: "/var/run/linkerd/tls", name: "policy-tls", readOnly: true }],
  });
}

function policyArgs({ values, namespace }: Rendering): string[] {
  const { logLevel, probeNetworks, additionalArgs = [], experimentalArgs = [] } = values.policyController;
  const any = values.disableIPv6 ? "0.0.0.0" : "[::]";
  return [
    `--admin-addr=${any}:${PORTS.policyAdmin}`,
    `--control-plane-namespace=${namespace}`,
    `--grpc-addr=${any}:${PORTS.policy}`,
    `--server-addr=${any}:${PORTS.policyWebhook}`,
    "--server-tls-key=/var/run/linkerd/tls/tls.key",
    "--server-tls-certs=/var/run/linkerd/tls/tls.crt",
    `--cluster-networks=${values.clusterNetworks}`,
    `--identity-domain=${trustDomain(values)}`,
    `--cluster-domain=${values.clusterDomain}`,
    `--default-policy=${values.proxy.defaultInboundPolicy}`,
    `--log-level=${logLevel}`,
    `--log-format=${values.controllerLogFormat}`,
    `--default-opaque-ports=${values.proxy.opaquePorts}`,
    `--global-egress-network-namespace=${values.egress.globalEgressNetworkNamespace}`,
    ...(probeNetworks.length > 0 ? [`--probe-networks=${probeNetworks.join(",")}`] : []),
    ...additionalArgs,
    ...experimentalArgs,
  ];
}
