import { type KubeClient, PODS, type Pod } from "#kube";
import { CliError, messageOf } from "../cli-error.ts";
import type { CliContext } from "../context.ts";
import { withForward } from "../forward.ts";
import { proxyContainerOf } from "../pods.ts";
import { podsBehind } from "../pods-behind.ts";
import { parseOne } from "../resource-argument.ts";

const FETCH_TIMEOUT_MS = 30_000;

interface Source {
  readonly pod: Pod;
  readonly container: string;
  readonly port: number;
}

/** Prints the metrics of every proxy behind a resource. */
export async function proxyMetrics(
  resource: string,
  namespace: string | undefined,
  context: CliContext,
): Promise<void> {
  const client = await context.client();
  const pods = await podsBehind(client, parseOne(resource), namespace ?? client.cluster.namespace);
  const sources = pods.flatMap((pod): Source[] => {
    const port = proxyContainerOf(pod)?.ports?.find(({ name }) => name === "linkerd-admin")?.containerPort;
    return port ? [{ pod, container: "linkerd-proxy", port }] : [];
  });
  if (sources.length === 0) throw new CliError(`no meshed pods found for ${resource}`);
  await print(client, sources, context);
}

/** Prints the metrics of every control-plane container: those with a port whose name ends in `-admin`. */
export async function controllerMetrics(context: CliContext): Promise<void> {
  const client = await context.client();
  const labelSelector = "linkerd.io/control-plane-component";
  const { items } = await client.list(PODS, { namespace: context.linkerdNamespace, labelSelector });
  const sources = items.flatMap((pod) =>
    (pod.spec?.containers ?? []).flatMap((container): Source[] =>
      (container.ports ?? [])
        .filter(({ name }) => name?.endsWith("-admin") && container.name !== "linkerd-proxy")
        .map(({ containerPort }) => ({ pod, container: container.name, port: containerPort })),
    ),
  );
  if (sources.length === 0)
    throw new CliError(`no control-plane pods found in the namespace ${context.linkerdNamespace}`);
  await print(client, sources, context);
}

async function print(client: KubeClient, sources: readonly Source[], { io }: CliContext): Promise<void> {
  for (const [index, { pod, container, port }] of sources.entries()) {
    io.out(`#\n# POD ${pod.metadata.name} (${index + 1} of ${sources.length})\n# CONTAINER ${container} \n#\n`);
    const text = await withForward(client, pod, port, fetchMetrics).catch(
      (failure: unknown) => `# ERROR ${messageOf(failure)}\n`,
    );
    io.out(text);
  }
}

async function fetchMetrics(localPort: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${localPort}/metrics`, {
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  });
  if (!response.ok) throw new CliError(`the metrics port answered with status ${response.status}`);
  return response.text();
}
