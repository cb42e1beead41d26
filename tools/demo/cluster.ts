import * as kube from "#kube";
import { DEPLOYMENTS, type Deployment, KubeClient, type KubeObject, PODS, type Pod, type ResourceType } from "#kube";
import { parseYamlAll } from "#lib/yaml";

const MANAGER = "linkerd-demo";
const ROLLOUT_MS = 120_000;

const TYPES = new Map<string, ResourceType>(
  Object.values(kube)
    .filter(
      (value): value is ResourceType =>
        typeof value === "object" && value !== null && "plural" in value && "kind" in value,
    )
    .map((type) => [`${type.group}/${type.kind}`, type]),
);

/** The demo's hands on a cluster: apply manifests, wait for rollouts, look at pods. */
export class DemoCluster {
  readonly client: KubeClient;

  constructor(kubeconfig: string) {
    this.client = KubeClient.fromKubeconfig({ path: kubeconfig });
  }

  /** Applies a YAML stream, object by object in its order, as `kubectl apply --server-side` does. */
  async apply(yaml: string): Promise<number> {
    const objects = parseYamlAll(yaml) as KubeObject[];
    for (const object of objects) {
      const type = TYPES.get(
        `${object.apiVersion!.includes("/") ? object.apiVersion!.split("/")[0] : ""}/${object.kind}`,
      );
      if (!type)
        throw new Error(`Cannot apply ${object.kind} ${object.metadata.name}: the demo does not know this kind`);
      const { name, namespace } = object.metadata;
      await this.client.patch(type, name!, "apply", object, { namespace, fieldManager: MANAGER, force: true });
    }
    return objects.length;
  }

  /** Waits until every Deployment of the namespace has all its replicas ready. `onWait` hears what is still missing. */
  async rollout(namespace: string, onWait: (missing: string) => void): Promise<void> {
    const deadlineMs = performance.now() + ROLLOUT_MS;
    for (;;) {
      const { items } = await this.client.list(DEPLOYMENTS, { namespace });
      const missing = items.filter((deployment) => !isRolledOut(deployment)).map(({ metadata }) => metadata.name!);
      if (items.length > 0 && missing.length === 0) return;
      if (performance.now() > deadlineMs) {
        throw new Error(
          `Not ready after ${ROLLOUT_MS / 1_000} s: ${missing.join(", ")} in ${namespace}\n${await this.#why(namespace)}`,
        );
      }
      onWait(missing.join(", "));
      await Bun.sleep(100);
    }
  }

  async pods(namespace: string): Promise<Pod[]> {
    return (await this.client.list(PODS, { namespace })).items.filter(({ metadata }) => !metadata.deletionTimestamp);
  }

  /** Text of an HTTP answer from inside a pod. */
  async httpInPod(pod: Pod, port: number, path: string, method = "GET"): Promise<string> {
    const { name, namespace } = pod.metadata;
    let failure: Error | undefined;
    const forward = await this.client.portForward({
      pod: name!,
      namespace: namespace!,
      port,
      onError: (cause) => {
        failure ??= cause;
      },
    });
    try {
      const response = await fetch(`http://127.0.0.1:${forward.port}${path}`, {
        method,
        signal: AbortSignal.timeout(15_000),
      });
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      return await response.text();
    } catch (thrown) {
      const cause = failure ?? (thrown as Error);
      throw new Error(`Cannot ${method} ${path} at port ${port} of ${namespace}/${name}: ${cause.message}`, { cause });
    } finally {
      await forward.close();
    }
  }

  /** What pods that are not ready say of themselves. */
  async #why(namespace: string): Promise<string> {
    const lines: string[] = [];
    for (const pod of await this.pods(namespace)) {
      for (const status of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) {
        if (status.ready) continue;
        const { waiting, terminated } = status.state ?? {};
        const state = waiting?.reason ?? terminated?.reason ?? "not ready";
        lines.push(`  ${pod.metadata.name}/${status.name}: ${state} ${waiting?.message ?? terminated?.message ?? ""}`);
      }
    }
    return lines.join("\n");
  }
}

function isRolledOut({ metadata, spec, status }: Deployment): boolean {
  const wanted = spec?.replicas ?? 1;
  return (
    (status?.observedGeneration ?? 0) >= (metadata.generation ?? 1) &&
    (status?.updatedReplicas ?? 0) >= wanted &&
    (status?.readyReplicas ?? 0) >= wanted &&
    (status?.replicas ?? 0) === wanted
  );
}
