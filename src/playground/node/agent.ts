/** The node agent: one worker per pod that is bound to this node, and the node's own object and Lease. */
import { cpus, totalmem } from "node:os";
import type { Pod } from "#kube/types";
import type { Timer } from "#lib/clock";
import type { KubeObject } from "../store/object.ts";
import { NODE_ADDRESS, POD_NETWORK } from "./addresses.ts";
import type { NodeContext } from "./node-context.ts";
import { PodWorker } from "./pod-worker.ts";

const LEASE_RENEW_MS = 10_000;
const LEASE_SECONDS = 40;
const MAX_PODS = 500; // processes of one machine; beyond it pods stay Pending with an event

export class NodeAgent {
  readonly #context: NodeContext;
  readonly #workers = new Map<string, PodWorker>(); // by uid
  readonly #stops: (() => void)[] = [];
  #renewal: Timer | undefined;
  #number = 0;

  constructor(context: NodeContext) {
    this.#context = context;
  }

  /** Registers the node and starts to serve the pods bound to it. */
  async run(): Promise<void> {
    const { client } = this.#context;
    await this.#register();
    this.#stops.push(client.watch("pods", {}, (change) => this.#podChanged(change.type, change.object)));
    for (const resource of ["configmaps", "secrets"])
      this.#stops.push(client.watch(resource, {}, (change) => this.#contentChanged(change.object)));
  }

  /** Ends every pod, each with its grace but none later than `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    this.#renewal?.cancel();
    const workers = [...this.#workers.values()];
    const seconds = graceMs / 1000;
    for (const worker of workers) {
      const { pod } = worker;
      const deletionTimestamp = new Date(this.#context.clock.wallMs()).toISOString();
      worker.update({ ...pod, metadata: { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: seconds } });
    }
    await Promise.all(workers.map((worker) => worker.gone));
  }

  /** The worker of a pod by name; undefined when the pod is not on this node. */
  worker(namespace: string, name: string): PodWorker | undefined {
    const pod = this.#context.client.get("pods", namespace, name);
    return pod ? this.#workers.get(pod.metadata.uid ?? "") : undefined;
  }

  #podChanged(type: "ADDED" | "MODIFIED" | "DELETED", object: KubeObject): void {
    const pod = object as unknown as Pod;
    if (pod.spec?.nodeName !== this.#context.nodeName) return;
    const uid = pod.metadata.uid ?? "";
    const worker = this.#workers.get(uid);
    if (type === "DELETED") worker?.forget();
    else if (worker) queueMicrotask(() => worker.update(pod));
    else if (isLive(pod)) this.#adopt(uid, pod);
  }

  #adopt(uid: string, pod: Pod): void {
    if (this.#workers.size >= MAX_PODS) {
      const message = `This playground runs at most ${MAX_PODS} pods: delete some`;
      this.#context.events.note(pod as unknown as KubeObject, "Pod", { type: "Warning", reason: "OutOfpods", message });
      return;
    }
    const worker = new PodWorker(this.#context, pod, ++this.#number);
    this.#workers.set(uid, worker);
    queueMicrotask(() => worker.tick()); // watches run inside the write: take note there, act after it
    void worker.gone.then(() => this.#release(uid, worker));
  }

  /** An ended pod keeps its worker (its logs) until the object goes. */
  #release(uid: string, worker: PodWorker): void {
    const { namespace, name } = worker.pod.metadata;
    const current = this.#context.client.get("pods", namespace, name);
    if (current?.metadata.uid === uid) return;
    this.#workers.delete(uid);
  }

  #contentChanged(object: KubeObject): void {
    for (const worker of this.#workers.values())
      if (worker.pod.metadata.namespace === object.metadata.namespace) queueMicrotask(() => worker.contentChanged());
  }

  async #register(): Promise<void> {
    const { client, clock, nodeName } = this.#context;
    const now = new Date(clock.wallMs()).toISOString().replace(/\.\d+Z/, "Z");
    const node = await client.create("nodes", nodeObject(nodeName));
    await client.updateStatus("nodes", { ...node, status: nodeStatus(nodeName, now) });
    await client.create("leases.coordination.k8s.io", {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: nodeName, namespace: "kube-node-lease" },
      spec: { holderIdentity: nodeName, leaseDurationSeconds: LEASE_SECONDS, renewTime: this.#microNow() },
    });
    this.#renewLater();
  }

  #renewLater(): void {
    this.#renewal = this.#context.clock.schedule(LEASE_RENEW_MS, () => {
      const { client, nodeName } = this.#context;
      const change = { spec: { renewTime: this.#microNow() } };
      client
        .patch("leases.coordination.k8s.io", "kube-node-lease", nodeName, change, { type: "merge" })
        .catch((cause: unknown) => this.#context.log.warn("cannot renew the node's lease", { cause: String(cause) }));
      this.#renewLater();
    });
  }

  #microNow(): string {
    return new Date(this.#context.clock.wallMs()).toISOString().replace("Z", "000Z");
  }
}

function isLive(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return pod.metadata.deletionTimestamp !== undefined || (phase !== "Succeeded" && phase !== "Failed");
}

function nodeObject(name: string): KubeObject {
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const labels = {
    "kubernetes.io/hostname": name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": arch,
    "topology.kubernetes.io/zone": "zone-a",
    "topology.kubernetes.io/region": "playground",
  };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels },
    spec: { podCIDR: POD_NETWORK, podCIDRs: [POD_NETWORK], providerID: `playground://${name}` },
  };
}

function nodeStatus(name: string, now: string): Record<string, unknown> {
  const capacity = { cpu: String(cpus().length), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: String(MAX_PODS) };
  const condition = (type: string, status: string, reason: string): object => ({
    type,
    status,
    reason,
    message: reason,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  });
  return {
    capacity,
    allocatable: capacity,
    addresses: [
      { type: "InternalIP", address: NODE_ADDRESS },
      { type: "Hostname", address: name },
    ],
    conditions: [
      condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
      condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
      condition("PIDPressure", "False", "KubeletHasSufficientPID"),
      condition("Ready", "True", "KubeletReady"),
    ],
    nodeInfo: {
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      operatingSystem: "linux",
      kubeletVersion: "v1.33.0",
      kubeProxyVersion: "v1.33.0",
      containerRuntimeVersion: "playground://0.1.0",
      kernelVersion: "",
      osImage: "this machine",
      machineID: name,
      systemUUID: name,
      bootID: name,
    },
  };
}
