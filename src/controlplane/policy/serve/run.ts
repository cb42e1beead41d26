import { KubeClient } from "#kube";
import { type Clock, systemClock } from "#lib/clock";
import type { Log } from "#lib/log";
import { MetricsRegistry } from "#lib/metrics";
import { type Program, runProgram, type Started } from "#lib/program";
import { Readiness } from "#lib/readiness";
import { startAdminServer } from "#net/admin-server";
import { GrpcServer } from "#net/grpc-server";
import { WebhookServer } from "../../serve/webhook-server.ts";
import type { PolicyConfig } from "../index/objects.ts";
import { POLICY_FLAGS, policyConfig } from "./flags.ts";
import { InboundService } from "./inbound-service.ts";
import { OutboundService } from "./outbound-service.ts";
import { reviewPolicy } from "./policy-validator.ts";
import { StatusWriter } from "./status-writer.ts";
import { PolicyWatches } from "./watches.ts";

interface Listen {
  readonly host: string;
  readonly port: number;
}

export interface PolicyAppOptions {
  readonly client: KubeClient;
  readonly config: PolicyConfig;
  readonly grpc: Listen;
  readonly admin: Listen;
  /** The validating webhook; undefined leaves it off. */
  readonly webhook: (Listen & { readonly certPath: string; readonly keyPath: string }) | undefined;
  /** The pod's name, with which statuses are claimed; undefined writes none. */
  readonly statusIdentity: string | undefined;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface PolicyApp extends Started {
  readonly grpcPort: number;
  readonly adminPort: number;
  readonly webhookPort: number | undefined;
}

/** `linkerd controller policy`: serves inbound and outbound policy, and judges policy resources before they are stored. */
export const run: Program = (args, env) =>
  runProgram("policy", args, POLICY_FLAGS, (flags, log) => {
    const paths = { certPath: flags["server-tls-certs"], keyPath: flags["server-tls-key"] };
    return startPolicy({
      client: KubeClient.forProgram(flags.kubeconfig, env),
      config: policyConfig(flags),
      grpc: flags["grpc-addr"],
      admin: flags["admin-addr"],
      webhook: flags["admission-controller-disabled"] ? undefined : { ...flags["server-addr"], ...paths },
      statusIdentity: env("HOSTNAME"),
      log,
    });
  });

const DRAIN_MS = 5_000;

/** Answers `/live` at once; listens for proxies when the cluster has been read, so that none hears half of it. */
export async function startPolicy(options: PolicyAppOptions): Promise<PolicyApp> {
  const { client, config, log, clock = systemClock } = options;
  const metrics = new MetricsRegistry();
  const readiness = new Readiness(log);
  const watches = new PolicyWatches(client, log);
  const inbound = new InboundService(watches, config, clock, metrics);
  const outbound = new OutboundService(watches, config, clock, metrics, log);
  const admin = await startAdminServer({ ...options.admin, pending: () => readiness.pending(), metrics });
  const webhook = options.webhook && (await startWebhook(options.webhook, log, clock));
  readiness.add("watches", watches.synced);
  watches.start();
  await watches.synced;
  watches.connect(inbound, outbound);
  const writer = startWriter(options, watches, metrics, clock);
  const server = new GrpcServer({ methods: [...inbound.methods, ...outbound.methods], log, metrics, clock });
  const grpcPort = await server.listen(options.grpc);
  const stop = async (): Promise<void> => {
    watches.stop();
    await Promise.all([server.drain(DRAIN_MS), webhook?.close(), writer?.stop()]);
    await admin.close();
  };
  return { grpcPort, adminPort: admin.port, webhookPort: webhook?.port, stop };
}

function startWriter(
  { client, config, log, statusIdentity: identity }: PolicyAppOptions,
  watches: PolicyWatches,
  metrics: MetricsRegistry,
  clock: Clock,
): StatusWriter | undefined {
  if (!identity) return undefined;
  const writer = new StatusWriter({ client, objects: watches, config, identity, clock, metrics, log });
  watches.onAnyChange(() => writer.wake());
  writer.start();
  return writer;
}

function startWebhook(
  { host, port, certPath, keyPath }: NonNullable<PolicyAppOptions["webhook"]>,
  log: Log,
  clock: Clock,
): Promise<WebhookServer> {
  return WebhookServer.start({ hostname: host, port, certPath, keyPath, review: reviewPolicy, log, clock });
}
