import { LABELS } from "#contracts/labels";
import {
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  DEPLOYMENTS,
  type KubeObject,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NAMESPACES,
  NODES,
  PODS,
  type Pod,
  REPLICA_SETS,
  type ResourceType,
  SERVICE_ACCOUNTS,
  SERVICES,
  VALIDATING_WEBHOOK_CONFIGURATIONS,
} from "#kube";
import { isInNetworks } from "../networks.ts";
import { type Category, type Check, SkipCheck } from "./engine.ts";
import type { Facts } from "./facts.ts";
import { requireDefinitions } from "./kubernetes.ts";

const COMPONENTS = ["linkerd-destination", "linkerd-identity", "linkerd-proxy-injector"];

export function existence(facts: Facts): Category {
  const networks = (description: string, hint: string, run: Check["run"]) => ({ description, hint, run });
  return {
    id: "linkerd-existence",
    checks: [
      {
        description: "'linkerd-config' config map exists",
        hint: "l5d-existence-linkerd-config",
        fatal: true,
        run: async () => void (await facts.values()),
      },
      {
        description: "control plane replica sets are ready",
        hint: "l5d-existence-replicasets",
        fatal: true,
        retry: true,
        run: () => replicaSetsReady(facts),
      },
      {
        description: "no unschedulable pods",
        hint: "l5d-existence-unschedulable-pods",
        warning: true,
        retry: true,
        run: () => noUnschedulable(facts),
      },
      {
        description: "control plane pods are ready",
        hint: "l5d-api-control-ready",
        fatal: true,
        retry: true,
        run: () => podsReady(facts),
      },
      networks("cluster networks contains all node podCIDRs", "l5d-cluster-networks-cidr", () => nodeNetworks(facts)),
      networks("cluster networks contains all pods", "l5d-cluster-networks-pods", () => podAddresses(facts)),
      networks("cluster networks contains all services", "l5d-cluster-networks-pods", () => serviceAddresses(facts)),
    ],
  };
}

async function replicaSetsReady(facts: Facts): Promise<void> {
  const labelSelector = LABELS.controlPlaneComponent;
  const { items } = await (await facts.client()).list(REPLICA_SETS, { namespace: facts.namespace, labelSelector });
  const late = items.filter(({ spec, status }) => (status?.availableReplicas ?? 0) < (spec?.replicas ?? 1));
  if (late.length > 0) {
    throw new Error(
      late
        .map(
          ({ metadata, spec, status }) =>
            `${metadata.name}: ${status?.availableReplicas ?? 0} of ${spec?.replicas ?? 1} replicas are available`,
        )
        .join("\n"),
    );
  }
}

async function noUnschedulable(facts: Facts): Promise<void> {
  const problems = (await facts.controlPlanePods()).flatMap((pod) => {
    const condition = pod.status?.conditions?.find(
      ({ type, status, reason }) => type === "PodScheduled" && status === "False" && reason === "Unschedulable",
    );
    return condition ? [`${pod.metadata.name}: ${condition.message}`] : [];
  });
  if (problems.length > 0) throw new Error(problems.join("\n"));
}

async function podsReady(facts: Facts): Promise<void> {
  const pods = await facts.controlPlanePods();
  for (const name of COMPONENTS) {
    const own = pods.filter((pod) => `linkerd-${pod.metadata.labels?.[LABELS.controlPlaneComponent]}` === name);
    const running = own.filter((pod) => pod.status?.phase === "Running" && !pod.metadata.deletionTimestamp);
    if (running.length === 0) throw new Error(`No running pods for "${name}"`);
    for (const pod of running) requireContainersReady(pod);
  }
}

function requireContainersReady(pod: Pod): void {
  for (const { name, ready } of pod.status?.containerStatuses ?? []) {
    if (!ready) throw new Error(`pod/${pod.metadata.name} container ${name} is not ready`);
  }
}

async function nodeNetworks(facts: Facts): Promise<void> {
  const { items } = await (await facts.client()).list(NODES);
  const cidrs = items.flatMap(({ metadata, spec }) =>
    (spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : [])).map((cidr) => ({
      name: metadata.name,
      address: cidr.split("/")[0]!,
    })),
  );
  if (cidrs.length === 0) throw new SkipCheck();
  await requireInside(facts, cidrs, "node(s) with a podCIDR outside clusterNetworks");
}

async function podAddresses(facts: Facts): Promise<void> {
  const { items } = await (await facts.client()).list(PODS);
  const addresses = items
    .filter((pod) => !pod.spec?.hostNetwork && pod.status?.podIP)
    .map(({ metadata, status }) => ({ name: `${metadata.namespace}/${metadata.name}`, address: status!.podIP! }));
  await requireInside(facts, addresses, "pod(s) with an address outside clusterNetworks");
}

async function serviceAddresses(facts: Facts): Promise<void> {
  const { items } = await (await facts.client()).list(SERVICES);
  const addresses = items
    .filter(({ spec }) => spec?.clusterIP && spec.clusterIP !== "None" && spec.type !== "ExternalName")
    .map(({ metadata, spec }) => ({ name: `${metadata.namespace}/${metadata.name}`, address: spec!.clusterIP! }));
  await requireInside(facts, addresses, "service(s) with an address outside clusterNetworks");
}

async function requireInside(facts: Facts, all: { name: string; address: string }[], what: string): Promise<void> {
  const { clusterNetworks } = await facts.values();
  const outside = all.filter(({ address }) => !isInNetworks(address, clusterNetworks.split(",")));
  if (outside.length === 0) return;
  const names = outside.map(({ name, address }) => `\t* ${name} (${address})`);
  throw new Error(`${what} [${clusterNetworks}]:\n${names.join("\n")}`);
}

export function configuration(facts: Facts): Category {
  const { namespace } = facts;
  const roles = [`linkerd-${namespace}-identity`, `linkerd-${namespace}-proxy-injector`];
  const all = (description: string, hint: string, type: ResourceType, names: string[], inNamespace?: string) => ({
    description: `control plane ${description} exist`,
    hint,
    fatal: true,
    run: () => requireAll(facts, type, names, inNamespace),
  });
  return {
    id: "linkerd-config",
    checks: [
      {
        description: "control plane Namespace exists",
        hint: "l5d-existence-ns",
        fatal: true,
        run: () => requireAll(facts, NAMESPACES, [namespace]),
      },
      all("ClusterRoles", "l5d-existence-cr", CLUSTER_ROLES, roles),
      all("ClusterRoleBindings", "l5d-existence-crb", CLUSTER_ROLE_BINDINGS, roles),
      all("ServiceAccounts", "l5d-existence-sa", SERVICE_ACCOUNTS, COMPONENTS, namespace),
      {
        description: "control plane CustomResourceDefinitions exist",
        hint: "l5d-existence-crd",
        fatal: true,
        run: () => requireDefinitions(facts),
      },
      all("MutatingWebhookConfigurations", "l5d-existence-mwc", MUTATING_WEBHOOK_CONFIGURATIONS, [
        "linkerd-proxy-injector-webhook-config",
      ]),
      all("ValidatingWebhookConfigurations", "l5d-existence-vwc", VALIDATING_WEBHOOK_CONFIGURATIONS, [
        "linkerd-sp-validator-webhook-config",
      ]),
      {
        description: "proxy-init container runs as root user if docker container runtime is used",
        hint: "l5d-proxy-init-run-as-root",
        run: () => rootOnDocker(facts),
      },
    ],
  };
}

async function requireAll(
  facts: Facts,
  type: ResourceType<KubeObject>,
  names: readonly string[],
  namespace?: string,
): Promise<void> {
  const client = await facts.client();
  const missing: string[] = [];
  for (const name of names) {
    if (!(await client.get(type, name, namespace))) missing.push(name);
  }
  if (missing.length > 0) throw new Error(`missing ${type.kind}s: ${missing.join(", ")}`);
}

async function rootOnDocker(facts: Facts): Promise<void> {
  const values = await facts.values();
  if (values.cniEnabled || values.proxyInit.runAsRoot) return;
  const { items } = await (await facts.client()).list(NODES);
  if (items.some((node) => node.status?.nodeInfo?.containerRuntimeVersion?.startsWith("docker:"))) {
    throw new Error(
      "there are nodes using the docker container runtime and proxy-init container must run as root user.\ntry installing linkerd via --set proxyInit.runAsRoot=true",
    );
  }
}

/** More than one replica of everything, where the values ask for high availability. */
export function highAvailability(facts: Facts): Category {
  const run = async () => {
    if (!(await facts.values()).highAvailability) throw new SkipCheck();
    const client = await facts.client();
    for (const name of COMPONENTS) {
      const deployment = await client.get(DEPLOYMENTS, name, facts.namespace);
      const count = deployment?.status?.availableReplicas ?? 0;
      if (count <= 1) throw new Error(`not enough replicas available for ${name}: ${count}`);
    }
  };
  const description = "multiple replicas of control plane pods";
  return {
    id: "linkerd-ha-checks",
    checks: [{ description, hint: "l5d-control-plane-replicas", warning: true, retry: true, run }],
  };
}

export function extensionNamespaces(facts: Facts): Category {
  const run = async () => {
    const { items } = await (await facts.client()).list(NAMESPACES, { labelSelector: LABELS.extension });
    const byExtension = new Map<string, string[]>();
    for (const { metadata } of items) {
      const name = metadata.labels?.[LABELS.extension] ?? "";
      byExtension.set(name, [...(byExtension.get(name) ?? []), metadata.name]);
    }
    const doubled = [...byExtension].filter(([, namespaces]) => namespaces.length > 1);
    if (doubled.length > 0) {
      throw new Error(
        doubled.map(([name, found]) => `label "${LABELS.extension}=${name}" found on ${found.join(", ")}`).join("\n"),
      );
    }
  };
  const description = "namespace configuration for extensions";
  return {
    id: "linkerd-extension-checks",
    checks: [{ description, hint: "l5d-extension-namespaces", warning: true, run }],
  };
}
