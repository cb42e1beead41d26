import { PORTS } from "#contracts/ports";
import { container, controllerImage, deployment, disruptionBudget, service } from "./component.ts";
import { base64, type Manifest, metadata, type Rendering, trustDomain } from "./object.ts";
import { proxyValues } from "./proxy.ts";
import { accountWithClusterRole, allows } from "./rbac.ts";

export const ISSUER_SECRET = "linkerd-identity-issuer";
export const TRUST_ROOTS_CONFIG_MAP = "linkerd-identity-trust-roots";

/** Identity checks workloads' tokens and writes events about its certificates; nothing else. */
export function identityRbac(rendering: Rendering): Manifest[] {
  return accountWithClusterRole(rendering, "identity", [
    allows("authentication.k8s.io", ["tokenreviews"], "create"),
    allows("", ["events"], "create", "patch"),
  ]);
}

export function identityObjects(rendering: Rendering): Manifest[] {
  const grpc = { name: "grpc", port: PORTS.identity, targetPort: PORTS.identity };
  return [
    ...issuerSecret(rendering),
    ...trustRoots(rendering),
    service(rendering, { name: "linkerd-identity", component: "identity", port: grpc }),
    service(rendering, { name: "linkerd-identity-headless", component: "identity", port: grpc, headless: true }),
    ...disruptionBudget(rendering, "linkerd-identity", "identity"),
    identityDeployment(rendering),
  ];
}

function issuerSecret(rendering: Rendering): Manifest[] {
  const { scheme, tls } = rendering.values.identity.issuer;
  if (scheme !== "linkerd.io/tls") return [];
  if (!tls.crtPEM.trim() || !tls.keyPEM.trim()) {
    throw new Error(
      "Cannot render the issuer's Secret: identity.issuer.tls.crtPEM and keyPEM are needed with the scheme linkerd.io/tls",
    );
  }
  return [
    {
      kind: "Secret",
      apiVersion: "v1",
      metadata: metadata(rendering, ISSUER_SECRET, { component: "identity", annotated: true }),
      data: { "crt.pem": base64(tls.crtPEM.trim()), "key.pem": base64(tls.keyPEM.trim()) },
    },
  ];
}

function trustRoots(rendering: Rendering): Manifest[] {
  const { identity, identityTrustAnchorsPEM } = rendering.values;
  if (identity.externalCA) return [];
  if (!identityTrustAnchorsPEM.trim()) {
    throw new Error(
      "Cannot render the trust roots: identityTrustAnchorsPEM is empty; give --identity-trust-anchors-file or set identity.externalCA",
    );
  }
  return [
    {
      kind: "ConfigMap",
      apiVersion: "v1",
      metadata: metadata(rendering, TRUST_ROOTS_CONFIG_MAP, { component: "identity", annotated: true }),
      data: { "ca-bundle.crt": identityTrustAnchorsPEM.trim() },
    },
  ];
}

function identityDeployment(rendering: Rendering): Manifest {
  const { values } = rendering;
  return deployment(rendering, {
    name: "identity",
    containers: [
      container(rendering, {
        name: "identity",
        image: controllerImage(values),
        imagePullPolicy: values.imagePullPolicy,
        args: identityArgs(rendering),
        env: [{ name: "LINKERD_DISABLED", value: "linkerd-await cannot block the identity controller" }],
        ports: { "ident-grpc": PORTS.identity, "ident-admin": PORTS.identityAdmin },
        livePath: "/ping",
        adminPort: PORTS.identityAdmin,
        timeouts: values.identity,
        ...(values.identityResources ? { resources: values.identityResources } : {}),
        mounts: [
          { mountPath: "/var/run/linkerd/identity/issuer", name: "identity-issuer" },
          { mountPath: "/var/run/linkerd/identity/trust-roots/", name: "trust-roots" },
        ],
      }),
    ],
    volumes: [
      { name: "identity-issuer", secret: { secretName: ISSUER_SECRET } },
      { configMap: { name: TRUST_ROOTS_CONFIG_MAP }, name: "trust-roots" },
    ],
    podAnnotations: values.identity.podAnnotations,
    // Nobody can certify this proxy before identity itself runs, so nothing may wait for it.
    proxyValues: proxyValues(rendering, {
      podInboundPorts: [PORTS.identity, PORTS.identityAdmin],
      requireTLSOnInboundPorts: String(PORTS.identity),
      await: false,
      nativeSidecar: false,
      ...(values.identityProxyResources ? { resources: values.identityProxyResources } : {}),
    }),
  });
}

function identityArgs({ values, namespace }: Rendering): string[] {
  const { issuer, kubeAPI, additionalArgs = [], experimentalArgs = [] } = values.identity;
  return [
    "identity",
    `-log-level=${values.controllerLogLevel}`,
    `-log-format=${values.controllerLogFormat}`,
    `-controller-namespace=${namespace}`,
    `-identity-trust-domain=${trustDomain(values)}`,
    `-identity-issuance-lifetime=${issuer.issuanceLifetime}`,
    `-identity-clock-skew-allowance=${issuer.clockSkewAllowance}`,
    `-identity-scheme=${issuer.scheme}`,
    `-enable-pprof=${values.enablePprof}`,
    `-kube-apiclient-qps=${kubeAPI.clientQPS}`,
    `-kube-apiclient-burst=${kubeAPI.clientBurst}`,
    ...additionalArgs,
    ...experimentalArgs,
  ];
}
