import { PORTS } from "#contracts/ports";
import { KubeClient } from "#kube";
import { systemClock } from "#lib/clock";
import type { Log } from "#lib/log";
import { MetricsRegistry } from "#lib/metrics";
import { COMMON_FLAGS, type Program, runProgram, type Started } from "#lib/program";
import { addressFlag, textFlag } from "#lib/program-flags";
import { Readiness } from "#lib/readiness";
import { startAdminServer } from "#net/admin-server";
import { WebhookServer } from "../serve/webhook-server.ts";
import { ClusterView } from "./cluster-view.ts";
import { EventRecorder } from "./events.ts";
import { Injector } from "./injector.ts";
import { InjectorMetrics } from "./injector-metrics.ts";
import { type MeshConfigPaths, MOUNTED_CONFIG, readMeshConfig } from "./mesh-config.ts";

const FLAGS = {
  ...COMMON_FLAGS,
  "linkerd-namespace": textFlag("linkerd"),
  addr: addressFlag(`:${PORTS.webhook}`),
  "metrics-addr": addressFlag(`:${PORTS.injectorAdmin}`),
  "tls-dir": textFlag("/var/run/linkerd/tls"),
};

interface Listen {
  readonly host: string;
  readonly port: number;
}

export interface InjectorAppOptions {
  readonly client: KubeClient;
  readonly controlPlaneNs: string;
  readonly listen: Listen;
  readonly admin: Listen;
  readonly tlsDirectory: string;
  readonly config?: MeshConfigPaths;
  readonly log: Log;
}

/** `linkerd controller proxy-injector`: the admission webhook that puts proxies into pods. */
export const run: Program = (args, env) =>
  runProgram("proxy-injector", args, FLAGS, (flags, log) =>
    startInjector({
      client: KubeClient.forProgram(flags.kubeconfig, env),
      controlPlaneNs: flags["linkerd-namespace"],
      listen: flags.addr,
      admin: flags["metrics-addr"],
      tlsDirectory: flags["tls-dir"],
      log,
    }),
  );

/** Starts everything and returns the ports it bound. Serves at once; `/ready` waits until namespaces are known. */
export async function startInjector(
  options: InjectorAppOptions,
): Promise<Started & { readonly port: number; readonly adminPort: number }> {
  const { client, log, listen, tlsDirectory } = options;
  const metrics = new MetricsRegistry();
  const readiness = new Readiness(log);
  const cluster = new ClusterView(client, log);
  readiness.add("namespaces", cluster.synced);
  cluster.start();
  const injector = new Injector({
    controlPlaneNs: options.controlPlaneNs,
    readConfig: () => readMeshConfig(options.config ?? MOUNTED_CONFIG),
    namespaceAnnotations: cluster.namespaceAnnotations,
    findOwners: cluster.findOwners,
    recordEvent: new EventRecorder(client, systemClock, log).record,
    metrics: new InjectorMetrics(metrics),
    log,
  });
  const webhook = await WebhookServer.start({
    hostname: listen.host,
    port: listen.port,
    certPath: `${tlsDirectory}/tls.crt`,
    keyPath: `${tlsDirectory}/tls.key`,
    review: (request) => injector.review(request),
    log,
  });
  const { host, port } = options.admin;
  const admin = await startAdminServer({ host, port, pending: () => readiness.pending(), metrics });
  return {
    port: webhook.port,
    adminPort: admin.port,
    stop: async () => {
      await webhook.close();
      cluster.stop();
      await admin.close();
    },
  };
}
