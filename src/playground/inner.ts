/**
 * The inner process: process 1 in namespaces of its own, which is the whole cluster. It builds the network, serves the
 * API and DNS, runs the controllers and the node agent, and ends when its standard input does.
 */
import { mkdirSync } from "node:fs";
import { type Clock, systemClock } from "#lib/clock";
import { createLog, type Log } from "#lib/log";
import { systemRandom } from "#lib/random";
import { type ApiServer, startApiServer } from "./api/server.ts";
import { startControllers } from "./controllers/index.ts";
import { serveDns } from "./dns/server.ts";
import { answer } from "./dns/zone.ts";
import type { InnerMessage } from "./front/front.ts";
import { SOCKET } from "./front/state-folder.ts";
import { AddressPool, API_ADDRESS, CLUSTER_DOMAIN, DNS_ADDRESS, NODE_ADDRESS } from "./node/addresses.ts";
import { NodeAgent } from "./node/agent.ts";
import { createCommands } from "./node/commands.ts";
import { EventRecorder } from "./node/events.ts";
import { createGateway } from "./node/gateway.ts";
import type { ImageTable } from "./node/image.ts";
import { openNodeNetwork } from "./node/network.ts";
import type { NodeContext } from "./node/node-context.ts";
import type { TokenIssuer } from "./node/pod-volumes.ts";
import { ServiceRules } from "./node/service-rules.ts";
import { mountNew } from "./node/system-calls.ts";
import { dataReader } from "./object-data.ts";
import { ServiceView } from "./service-view.ts";

export interface InnerOptions {
  /** Environment of machine commands. */
  readonly env: Readonly<Record<string, string>>;
  readonly images: ImageTable;
  readonly isRoot: boolean;
  /** Folders laid over every container's /usr. */
  readonly usrLayers: readonly string[];
  /** Files every container gets, by path; scripts (`#!`) may be run. */
  readonly containerTexts: Readonly<Record<string, string>>;
  /** Where clients outside reach the API: goes into the kubeconfig. */
  readonly server: string;
  readonly write: (message: InnerMessage) => void;
  readonly writeLog: (line: string) => void;
  /** Resolves when the playground should end in order. */
  readonly untilStopped: Promise<void>;
}

const NODE_NAME = "playground";
const HOME = "/run/playground";
const API_PORT = 6443;
const DNS_PORT = 53;
const DRAIN_MS = 5_000; // what pods get at the end of the whole playground
const MEMORY = "mode=0755,size=80%"; // of the machine's: upper bound, not a reservation

/** Runs a playground to its end. Returns the exit code. */
export async function runInner(options: InnerOptions): Promise<number> {
  try {
    const cluster = await startCluster(options);
    options.write({ kind: "ready", kubeconfig: cluster.api.kubeconfig(options.server) });
    await options.untilStopped;
    await cluster.stop();
    return 0;
  } catch (cause) {
    options.write({
      kind: "failed",
      text: `Cannot start the playground: ${cause instanceof Error ? cause.message : String(cause)}`,
    });
    return 1;
  }
}

interface Cluster {
  readonly api: ApiServer;
  stop(): Promise<void>;
}

async function startCluster(options: InnerOptions): Promise<Cluster> {
  const clock = systemClock;
  const log = createLog({ level: "info", format: "plain", write: options.writeLog, wallMs: () => clock.wallMs() });
  mountNew("tmpfs", "/run", MEMORY); // names of network namespaces and iptables' lock become private
  mkdirSync(HOME);
  const commands = createCommands(options.env);
  await openNodeNetwork(commands);
  options.write({ kind: "progress", text: "network" });
  const api = await startApiServer({
    listen: [{ host: NODE_ADDRESS, port: API_PORT }, { host: API_ADDRESS, port: 443 }, { path: SOCKET }],
    podAddress: { host: NODE_ADDRESS, port: API_PORT },
    clock,
    log,
  });
  options.write({ kind: "progress", text: "API server" });
  const view = await startServices(api, commands, clock, log);
  const client = api.client("node:playground");
  const context: NodeContext = {
    nodeName: NODE_NAME,
    home: HOME,
    client,
    clock,
    log,
    events: new EventRecorder(client, clock, "kubelet"),
    commands,
    env: options.env,
    images: options.images,
    addresses: new AddressPool(),
    read: dataReader(client),
    issueToken: tokenIssuer(api),
    isRoot: options.isRoot,
    usrLayers: options.usrLayers,
    containerTexts: options.containerTexts,
  };
  const agent = new NodeAgent(context);
  api.useNode(
    createGateway(
      () => agent,
      () => context,
    ),
  );
  await agent.run();
  options.write({ kind: "progress", text: "node" });
  const stopControllers = startAllControllers(api, clock, log);
  return {
    api,
    async stop() {
      stopControllers();
      await agent.drain(DRAIN_MS);
      view.close();
      await api.close();
    },
  };
}

/** DNS and the rules behind Services. */
async function startServices(
  api: ApiServer,
  commands: ReturnType<typeof createCommands>,
  clock: Clock,
  log: Log,
): Promise<{ close(): void }> {
  const client = api.client("kube-proxy");
  const view = new ServiceView(client);
  const rules = new ServiceRules(commands, clock, log, () => view.routes());
  const stop = view.follow(() => rules.touch());
  await rules.applyNow();
  const dns = await serveDns(DNS_ADDRESS, DNS_PORT, (name, type) => answer(view, CLUSTER_DOMAIN, name, type), log);
  return {
    close() {
      stop();
      dns.close();
    },
  };
}

function startAllControllers(api: ApiServer, clock: Clock, log: Log): () => void {
  const client = api.client("kube-controller-manager");
  const events = new EventRecorder(client, clock, "controller-manager");
  return startControllers(
    { client, clock, random: systemRandom, log, events, registry: api.types.registry },
    api.caPem,
  );
}

function tokenIssuer(api: ApiServer): TokenIssuer {
  return async (pod, request) => {
    const { namespace = "default", name, uid = "" } = pod.metadata;
    const issued = api.tokens.issue({
      namespace,
      serviceAccount: pod.spec?.serviceAccountName ?? "default",
      ...(request.audience ? { audiences: [request.audience] } : {}),
      expirationSeconds: request.expirationSeconds,
      pod: { name, uid },
    });
    return { token: issued.token, expiresAtMs: Date.parse(issued.expirationTimestamp) };
  };
}
