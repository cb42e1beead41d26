import {
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  CONFIG_MAPS,
  DAEMON_SETS,
  type KubeObject,
  type ResourceType,
  SERVICE_ACCOUNTS,
} from "#kube";
import { type Category, type Check, SkipCheck } from "./engine.ts";
import type { Facts } from "./facts.ts";

const NAME = "linkerd-cni";

/** The CNI plugin's objects; nothing to look at unless it is in use. `isForced` looks in any case. */
export function cniPlugin(facts: Facts, isForced: boolean): Category {
  const namespace = facts.context.globals.cniNamespace;
  const exists = (
    kind: string,
    hint: string,
    type: ResourceType<KubeObject>,
    name: string,
    inNamespace?: string,
  ): Check => ({
    description: `cni plugin ${kind} exists`,
    hint,
    fatal: true,
    run: async () => {
      await skipUnlessUsed(facts, isForced);
      if (!(await (await facts.client()).get(type, name, inNamespace))) throw new Error(`missing ${kind}: ${name}`);
    },
  });
  return {
    id: "linkerd-cni-plugin",
    checks: [
      exists("ConfigMap", "cni-plugin-cm-exists", CONFIG_MAPS, "linkerd-cni-config", namespace),
      exists("ClusterRole", "cni-plugin-cr-exists", CLUSTER_ROLES, NAME),
      exists("ClusterRoleBinding", "cni-plugin-crb-exists", CLUSTER_ROLE_BINDINGS, NAME),
      exists("ServiceAccount", "cni-plugin-sa-exists", SERVICE_ACCOUNTS, NAME, namespace),
      exists("DaemonSet", "cni-plugin-ds-exists", DAEMON_SETS, NAME, namespace),
      {
        description: "cni plugin pod is running on all nodes",
        hint: "cni-plugin-ready",
        fatal: true,
        retry: true,
        run: async () => {
          await skipUnlessUsed(facts, isForced);
          const { status } = (await (await facts.client()).get(DAEMON_SETS, NAME, namespace)) ?? {};
          const [ready, wanted] = [status?.numberReady ?? 0, status?.desiredNumberScheduled ?? 0];
          if (ready !== wanted) throw new Error(`number ready: ${ready}, number scheduled: ${wanted}`);
        },
      },
    ],
  };
}

async function skipUnlessUsed(facts: Facts, isForced: boolean): Promise<void> {
  if (!isForced && !(await facts.values()).cniEnabled) throw new SkipCheck();
}
