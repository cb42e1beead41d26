import { type KubeClient, PODS, type Pod } from "#kube";
import { CliError } from "./cli-error.ts";

/** Runs `use` with a local port that ends at `port` inside the pod, and closes it afterwards. */
export async function withForward<T>(
  client: KubeClient,
  pod: Pod,
  port: number,
  use: (localPort: number) => Promise<T>,
): Promise<T> {
  const { name, namespace = "default" } = pod.metadata;
  let broken: Error | undefined;
  const forward = await client.portForward({ pod: name, namespace, port, onError: (error) => (broken = error) });
  try {
    return await use(forward.port);
  } catch (failure) {
    throw broken ?? failure; // why the tunnel broke says more than that it did
  } finally {
    await forward.close();
  }
}

/** A running pod of a control-plane component. */
export async function componentPod(client: KubeClient, namespace: string, component: string): Promise<Pod> {
  const labelSelector = `linkerd.io/control-plane-component=${component}`;
  const { items } = await client.list(PODS, { namespace, labelSelector });
  const running = items.find((pod) => pod.status?.phase === "Running" && !pod.metadata.deletionTimestamp);
  if (!running) throw new CliError(`no running pods found for linkerd-${component}`);
  return running;
}
