/** The built mesh and the voting shop in a playground of their own, as `npm run demo` brings them up; gone after the test. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PORTS } from "#contracts/ports";
import type { Deployment, KubeObject, Pod } from "#kube";
import { parseYamlAll } from "#lib/yaml";
import { assess } from "../../tools/demo/assess.ts";
import { DemoCluster } from "../../tools/demo/cluster.ts";
import { installMesh, installShop, shopManifest } from "../../tools/demo/install.ts";
import { Linkerd } from "../../tools/demo/linkerd.ts";
import { type Playground, startPlayground } from "../../tools/demo/playground.ts";
import type { DemoReport, SentCount } from "../../tools/demo/report.ts";
import { NAMESPACE } from "../../tools/demo/traffic.ts";
import { kubectlPath, playgroundEnv, type Ran, until } from "./playground.ts";

export const executable = join(import.meta.dir, "..", "..", "dist", "linkerd");
/** Time for one playground with mesh and shop to come up, for hooks. */
export const START_MS = 120_000;
const TRAFFIC_CONTROL_PORT = 9000;
const quiet = { step: (): void => {}, detail: (): void => {} };

export interface MeshOptions {
  /** Changes the shop's manifest before it is applied; the mesh is up by then. */
  readonly alter?: (manifest: string, mesh: MeshPlayground) => string | Promise<string>;
  /** False leaves out the wait for all the shop's pods to be ready. */
  readonly waits?: boolean;
}

export interface Traffic {
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  readonly lost: number;
}

export class MeshPlayground {
  readonly cluster: DemoCluster;
  readonly linkerd: Linkerd;
  readonly kubeconfig: string;
  readonly #playground: Playground;
  readonly #folder: string;

  private constructor(playground: Playground, folder: string) {
    this.#playground = playground;
    this.#folder = folder;
    this.kubeconfig = playground.kubeconfig;
    this.cluster = new DemoCluster(playground.kubeconfig);
    this.linkerd = new Linkerd(executable, playground.kubeconfig);
  }

  static async start({ alter = (text) => text, waits = true }: MeshOptions = {}): Promise<MeshPlayground> {
    if (!existsSync(executable)) throw new Error(`No ${executable}: run npm run build first (npm test does)`);
    const folder = mkdtempSync(join(tmpdir(), "linkerd-ts-mesh-"));
    const env = { ...playgroundEnv(), LINKERD_PLAYGROUND_STATE: folder };
    const playground = await startPlayground(executable, "mesh", env);
    const mesh = new MeshPlayground(playground, folder);
    try {
      await installMesh(mesh.cluster, mesh.linkerd, quiet);
      const manifest = await alter(shopManifest(), mesh);
      if (waits) await installShop(mesh.cluster, quiet, manifest);
      else await mesh.cluster.apply(manifest);
      return mesh;
    } catch (cause) {
      await mesh.stop();
      throw cause;
    }
  }

  async stop(): Promise<void> {
    await this.#playground.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** What the demo reports, and what it finds wrong. Traffic is held afterwards. */
  assess(): Promise<{ report: DemoReport; problems: string[] }> {
    return assess(this.cluster, this.linkerd, quiet, 0);
  }

  /** Runs the real kubectl to its end. */
  async kubectl(args: readonly string[], input = ""): Promise<Ran> {
    const child = Bun.spawn([kubectlPath(), ...args], {
      env: { ...process.env, KUBECONFIG: this.kubeconfig },
      stdin: Buffer.from(input),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, out, err };
  }

  /** The same in the shop's namespace, for what must succeed: returns its output. */
  async run(...args: readonly string[]): Promise<string> {
    const ran = await this.kubectl(["-n", NAMESPACE, ...args]);
    if (ran.code !== 0) throw new Error(`kubectl ${args.join(" ")} failed (${ran.code}): ${ran.err}${ran.out}`);
    return ran.out;
  }

  async apply(manifest: string): Promise<void> {
    const ran = await this.kubectl(["apply", "-f", "-"], manifest);
    if (ran.code !== 0) throw new Error(`kubectl apply failed: ${ran.err}`);
  }

  /** The shop's pods of a part; those of the slow replica count for `products`. */
  async podsOf(app: string): Promise<Pod[]> {
    return (await this.cluster.pods(NAMESPACE)).filter(({ metadata }) => metadata.labels?.app === app);
  }

  async podOf(app: string): Promise<Pod> {
    const [pod] = await this.podsOf(app);
    if (!pod) throw new Error(`No pod of ${app} in ${NAMESPACE}`);
    return pod;
  }

  metrics(pod: Pod): Promise<string> {
    return this.cluster.httpInPod(pod, PORTS.proxyAdmin, "/metrics");
  }

  /** Sum of a metric's series of a pod's proxy whose labels contain all of `labels` (like `direction="inbound"`). */
  async count(pod: Pod, metric: string, ...labels: readonly string[]): Promise<number> {
    return sumOf(await this.metrics(pod), metric, ...labels);
  }

  /** Runs a command in a pod's container to its end. */
  exec(pod: Pod, container: string, ...command: readonly string[]): Promise<Ran> {
    return this.kubectl(["-n", pod.metadata.namespace!, "exec", pod.metadata.name!, "-c", container, "--", ...command]);
  }

  /** What the generator counted, all paths together unless one is named. */
  async sent(path?: string): Promise<Traffic> {
    return totalOf(await this.control("GET", "/sent"), path);
  }

  /** Holds the generator when nothing is in flight; its counts stand still then. */
  async pause(path?: string): Promise<Traffic> {
    return totalOf(await this.control("POST", "/pause"), path);
  }

  async resume(): Promise<void> {
    await this.control("POST", "/resume");
  }

  /** Forgets the generator's counts. */
  async reset(): Promise<void> {
    await this.control("POST", "/reset");
  }

  /** Waits until the generator has sent `count` more requests and they were answered or lost. */
  async more(count: number): Promise<void> {
    const before = await this.sent();
    await until(`${count} more requests`, async () => {
      const now = await this.sent();
      return now.ok + now.failed + now.lost >= before.ok + before.failed + before.lost + count;
    });
  }

  async control(method: "GET" | "POST", path: string): Promise<Record<string, SentCount>> {
    const text = await this.cluster.httpInPod(await this.podOf("traffic"), TRAFFIC_CONTROL_PORT, path, method);
    return (JSON.parse(text) as { sent: Record<string, SentCount> }).sent;
  }

  /** The pod's proxy process. It names its pod in its environment. */
  proxyPid(pod: Pod): number {
    const { name, namespace } = pod.metadata;
    const found = readdirSync("/proc").find((entry) => /^\d+$/.test(entry) && isProxyOf(entry, name!, namespace!));
    if (!found) throw new Error(`No process is the proxy of ${namespace}/${name}`);
    return Number(found);
  }

  /** The command that enters the pod's network. */
  enter(pod: Pod): string[] {
    return ["nsenter", "-t", String(this.proxyPid(pod)), "-n", "--"];
  }
}

/** Changes one Deployment of a manifest. */
export function alterDeployment(manifest: string, name: string, change: (deployment: Deployment) => void): string {
  const objects = parseYamlAll(manifest) as KubeObject[];
  const deployment = objects.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === name);
  if (!deployment) throw new Error(`No Deployment ${name} in the manifest`);
  change(deployment as Deployment);
  return objects.map((object) => JSON.stringify(object)).join("\n---\n");
}

/** Annotates a Deployment's pods. */
export function annotated(manifest: string, name: string, annotations: Readonly<Record<string, string>>): string {
  return alterDeployment(manifest, name, ({ spec }) => {
    const metadata = (spec!.template.metadata ??= {});
    metadata.annotations = { ...metadata.annotations, ...annotations };
  });
}

/** Sum of a metric's series whose labels contain all of `labels`. */
export function sumOf(text: string, metric: string, ...labels: readonly string[]): number {
  let sum = 0;
  for (const line of text.split("\n")) {
    if (!line.startsWith(`${metric}{`) && !line.startsWith(`${metric} `)) continue;
    if (labels.every((label) => line.includes(label))) sum += Number(line.slice(line.lastIndexOf(" ") + 1));
  }
  return sum;
}

/** All paths of the counts together, unless one is named. */
export function totalOf(counts: Readonly<Record<string, SentCount>>, path?: string): Traffic {
  const total = { sent: 0, ok: 0, failed: 0, lost: 0 };
  for (const [key, count] of Object.entries(counts)) {
    if (path !== undefined && key !== path) continue;
    for (const field of ["sent", "ok", "failed", "lost"] as const) total[field] += count[field];
  }
  return total;
}

function isProxyOf(pid: string, name: string, namespace: string): boolean {
  try {
    const env = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    if (!env.includes(`_pod_name=${name}`) || !env.includes(`_pod_ns=${namespace}`)) return false;
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[1] === "proxy";
  } catch {
    return false; // ended meanwhile
  }
}
