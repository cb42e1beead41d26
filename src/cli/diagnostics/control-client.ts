import { type KubeClient, PODS, type Pod } from "#kube";
import { GrpcClient } from "#net/grpc-client";
import { CliError } from "../cli-error.ts";
import type { CliContext } from "../context.ts";
import { componentPod, withForward } from "../forward.ts";

/** Runs `use` with a client of the destination pod's gRPC port: through a port-forward, or at `--api-addr`. */
export async function withControlPlane<T>(
  context: CliContext,
  port: number,
  podName: string | undefined,
  use: (client: GrpcClient) => Promise<T>,
): Promise<T> {
  const { apiAddr } = context.globals;
  if (apiAddr) return withAddress(apiAddr, use);
  const client = await context.client();
  const pod = await destinationPod(client, context.linkerdNamespace, podName);
  return withForward(client, pod, port, (localPort) => withAddress(`127.0.0.1:${localPort}`, use));
}

async function withAddress<T>(address: string, use: (client: GrpcClient) => Promise<T>): Promise<T> {
  const at = address.lastIndexOf(":");
  const port = Number(address.slice(at + 1));
  if (at < 1 || !Number.isInteger(port)) throw new CliError(`Cannot use --api-addr "${address}": wanted host:port`);
  const client = new GrpcClient({ host: address.slice(0, at), port });
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

async function destinationPod(client: KubeClient, namespace: string, name: string | undefined): Promise<Pod> {
  if (name === undefined) return componentPod(client, namespace, "destination");
  const pod = await client.get(PODS, name, namespace);
  if (!pod) throw new CliError(`pods "${name}" not found in the namespace ${namespace}`);
  return pod;
}
