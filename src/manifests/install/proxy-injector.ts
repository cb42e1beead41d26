import { ANNOTATIONS } from "#contracts/labels";
import { PORTS } from "#contracts/ports";
import { container, controllerImage, deployment, disruptionBudget, service } from "./component.ts";
import { CONFIG_MAP } from "./config.ts";
import { TRUST_ROOTS_CONFIG_MAP } from "./identity.ts";
import type { Manifest, Rendering } from "./object.ts";
import { proxyValues } from "./proxy.ts";
import { accountWithClusterRole, allows, type Rule } from "./rbac.ts";
import { webhookObjects } from "./webhook.ts";

const COMPONENT = "proxy-injector";

/** The injector reads what tells it who owns a pod and what its namespace wants; it writes events only. */
export function proxyInjectorRbac(rendering: Rendering): Manifest[] {
  const { objectSelector, timeoutSeconds } = rendering.values.proxyInjector;
  return [
    ...accountWithClusterRole(rendering, COMPONENT, rules()),
    ...webhookObjects(rendering, {
      kind: "MutatingWebhookConfiguration",
      service: "linkerd-proxy-injector",
      component: COMPONENT,
      tls: rendering.values.proxyInjector,
      valuesKey: "proxyInjector",
      objectSelector,
      timeoutSeconds,
      rules: [
        {
          operations: ["CREATE"],
          apiGroups: [""],
          apiVersions: ["v1"],
          resources: ["pods", "services"],
          scope: "Namespaced",
        },
      ],
    }),
  ];
}

function rules(): Rule[] {
  const verbs = ["list", "get", "watch"];
  return [
    allows("", ["events"], "create", "patch"),
    allows("", ["namespaces", "replicationcontrollers"], ...verbs),
    allows("", ["pods"], "list", "watch"),
    {
      apiGroups: ["extensions", "apps"],
      resources: ["deployments", "replicasets", "daemonsets", "statefulsets"],
      verbs,
    },
    { apiGroups: ["extensions", "batch"], resources: ["cronjobs", "jobs"], verbs },
  ];
}

export function proxyInjectorObjects(rendering: Rendering): Manifest[] {
  return [
    injectorDeployment(rendering),
    service(rendering, {
      name: "linkerd-proxy-injector",
      component: COMPONENT,
      port: { name: COMPONENT, port: 443, targetPort: COMPONENT },
      annotations: { [ANNOTATIONS.opaquePorts]: "443" },
    }),
    ...disruptionBudget(rendering, "linkerd-proxy-injector", COMPONENT),
  ];
}

function injectorDeployment(rendering: Rendering): Manifest {
  const { values, namespace } = rendering;
  const { additionalArgs = [], experimentalArgs = [], podAnnotations } = values.proxyInjector;
  return deployment(rendering, {
    name: COMPONENT,
    containers: [
      container(rendering, {
        name: COMPONENT,
        image: controllerImage(values),
        imagePullPolicy: values.imagePullPolicy,
        args: [
          COMPONENT,
          `-log-level=${values.controllerLogLevel}`,
          `-log-format=${values.controllerLogFormat}`,
          `-linkerd-namespace=${namespace}`,
          `-enable-pprof=${values.enablePprof}`,
          ...additionalArgs,
          ...experimentalArgs,
        ],
        ports: { [COMPONENT]: PORTS.webhook, "injector-admin": PORTS.injectorAdmin },
        livePath: "/ping",
        adminPort: PORTS.injectorAdmin,
        timeouts: values.proxyInjector,
        ...(values.proxyInjectorResources ? { resources: values.proxyInjectorResources } : {}),
        mounts: [
          { mountPath: "/var/run/linkerd/config", name: "config" },
          { mountPath: "/var/run/linkerd/identity/trust-roots", name: "trust-roots" },
          { mountPath: "/var/run/linkerd/tls", name: "tls", readOnly: true },
        ],
      }),
    ],
    volumes: [
      { configMap: { name: CONFIG_MAP }, name: "config" },
      { configMap: { name: TRUST_ROOTS_CONFIG_MAP }, name: "trust-roots" },
      { name: "tls", secret: { secretName: "linkerd-proxy-injector-k8s-tls" } },
    ],
    podAnnotations: { ...podAnnotations, [ANNOTATIONS.opaquePorts]: String(PORTS.webhook) },
    proxyValues: proxyValues(rendering, {
      podInboundPorts: [PORTS.webhook, PORTS.injectorAdmin],
      ...(values.proxyInjectorProxyResources ? { resources: values.proxyInjectorProxyResources } : {}),
    }),
    restartsOn: proxyInjectorRbac(rendering),
  });
}
