import { type Clock, systemClock } from "#lib/clock";
import { readTextIfThere } from "#lib/files";
import type { Cluster } from "./cluster.ts";
import { TokenFile } from "./token-file.ts";

export interface InClusterOptions {
  /** Where the kubelet mounts the ServiceAccount. */
  readonly directory?: string;
  /** Reads an environment variable: KUBERNETES_SERVICE_HOST and _PORT. Without them the Service's DNS name is used. */
  readonly env?: (name: string) => string | undefined;
  readonly clock?: Clock;
}

const SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The cluster this pod runs in, as its ServiceAccount. Throws when no ServiceAccount is mounted. */
export function inCluster(options: InClusterOptions = {}): Cluster {
  const { directory = SERVICE_ACCOUNT_DIRECTORY, env = () => undefined, clock = systemClock } = options;
  const ca = readTextIfThere(`${directory}/ca.crt`);
  if (ca === undefined) {
    throw new Error(
      `Cannot reach the cluster from inside: no "${directory}/ca.crt"; run in a pod with a ServiceAccount`,
    );
  }
  const token = new TokenFile(`${directory}/token`, clock);
  return {
    server: serverUrl(env("KUBERNETES_SERVICE_HOST"), env("KUBERNETES_SERVICE_PORT")),
    ca,
    namespace: readTextIfThere(`${directory}/namespace`)?.trim() || "default",
    context: "in-cluster",
    credentials: async () => ({ authorization: `Bearer ${token.read()}` }),
  };
}

function serverUrl(host: string | undefined, port: string | undefined): string {
  if (!host) return "https://kubernetes.default.svc";
  return `https://${host.includes(":") ? `[${host}]` : host}:${port ?? "443"}`;
}
