import { type Category, type CliContext, SkipCheck } from "#cli/extension";
import { LABELS } from "#contracts/labels";
import { CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, PODS, type Pod } from "#kube/types";
import { CheckStatus, SelfCheckRequest, SelfCheckResponse } from "#proto/viz";
import { MetricsClient, vizNamespaceOf } from "./metrics-client.ts";

/** What `linkerd check` says of the extension once it is installed. */
export function vizChecks(context: CliContext): Category[] {
  let namespace = "";
  const pods = async (): Promise<Pod[]> => {
    const { items } = await (await context.client()).list(PODS, { namespace });
    if (items.length === 0) throw new Error(`no pods in namespace ${namespace}`);
    return items;
  };
  const roleName = () => `linkerd-${namespace}-metrics-api`;
  return [
    {
      id: "linkerd-viz",
      checks: [
        {
          description: "linkerd-viz Namespace exists",
          hint: "l5d-viz-ns-exists",
          fatal: true,
          run: async () => {
            namespace = await vizNamespaceOf(context);
          },
        },
        {
          description: "linkerd-viz ClusterRoles exist",
          hint: "l5d-viz-cr-exists",
          fatal: true,
          run: async () => {
            if (!(await (await context.client()).get(CLUSTER_ROLES, roleName())))
              throw new Error(`missing ClusterRoles: ${roleName()}`);
          },
        },
        {
          description: "linkerd-viz ClusterRoleBindings exist",
          hint: "l5d-viz-crb-exists",
          fatal: true,
          run: async () => {
            const binding = await (await context.client()).get(CLUSTER_ROLE_BINDINGS, roleName());
            if (!binding) throw new Error(`missing ClusterRoleBindings: ${roleName()}`);
          },
        },
        {
          description: "linkerd-viz pods are injected",
          hint: "l5d-viz-pods-injection",
          warning: true,
          run: async () => {
            const bare = (await pods()).filter((pod) => !pod.metadata.labels?.[LABELS.controlPlaneNs]);
            if (bare.length > 0)
              throw new Error(
                `could not find proxy container for ${bare.map(({ metadata }) => metadata.name).join(", ")} pod`,
              );
          },
        },
        {
          description: "viz extension pods are running",
          hint: "l5d-viz-pods-running",
          warning: true,
          retry: true,
          run: async () => {
            const waiting = (await pods()).filter((pod) => pod.status?.phase !== "Running" || !isReady(pod));
            if (waiting.length > 0)
              throw new Error(`not ready: ${waiting.map(({ metadata }) => metadata.name).join(", ")}`);
          },
        },
        {
          description: "viz extension self-check",
          hint: "l5d-viz-metrics-api",
          fatal: true,
          retry: true,
          run: async () => {
            const client = await MetricsClient.open(context, namespace);
            try {
              const { results } = await client.call("SelfCheck", SelfCheckRequest, SelfCheckResponse, {});
              const bad = results.find(({ Status }) => Status !== CheckStatus.OK);
              if (bad) throw new Error(`${bad.CheckDescription}: ${bad.FriendlyMessageToUser}`);
              if (results.length === 0) throw new SkipCheck("nothing was checked");
            } finally {
              await client.close();
            }
          },
        },
      ],
    },
  ];
}

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}
