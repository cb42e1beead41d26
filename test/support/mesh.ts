import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PROXY_UID } from "#contracts/ports";
import { CONTROL_PLANE_ID, FixtureControlPlane, IDENTITY_ID, meshId } from "./fixture-control-plane.ts";
import { MAIN, type Pod, PodNetwork, type PodProcess, until } from "./netns.ts";

const APP = fileURLToPath(new URL("mesh-app.ts", import.meta.url));
/** The test client's program. */
export const CLIENT = fileURLToPath(new URL("mesh-client.ts", import.meta.url));

/** A pod with its proxy. */
export interface MeshedPod extends Pod {
  readonly id: string;
  readonly proxy: PodProcess;
  metrics(): Promise<string>;
}

/** Pods on a network, some with proxies, and a control plane whose answers the test sets. */
export class Mesh {
  readonly network: PodNetwork;
  readonly control: FixtureControlPlane;
  readonly #dir = mkdtempSync(join(tmpdir(), "mesh-"));

  private constructor(network: PodNetwork, control: FixtureControlPlane) {
    this.network = network;
    this.control = control;
  }

  static async start(): Promise<Mesh> {
    const network = new PodNetwork();
    const control = await FixtureControlPlane.make(network.hostIp);
    await control.start();
    const mesh = new Mesh(network, control);
    chmodSync(mesh.#dir, 0o755); // the proxies run as another user
    return mesh;
  }

  /** Adds a pod whose proxy has its certificate. `trustRootsPem` replaces what it trusts. */
  async addMeshed(serviceAccount: string, extra: Record<string, string> = {}): Promise<MeshedPod> {
    const pod = this.network.addPod({ isMeshed: true });
    const tokenFile = join(this.#dir, `${serviceAccount}.token`);
    writeFileSync(tokenFile, `token-of-${serviceAccount}`, { mode: 0o644 });
    const env = { ...this.#env(pod, serviceAccount, tokenFile), ...extra };
    const proxy = pod.start([process.execPath, MAIN, "proxy"], { env, uid: PROXY_UID });
    const metrics = () => pod.run("curl", "-s", "http://127.0.0.1:4191/metrics");
    if (!("LINKERD2_PROXY_TEST_UNREADY" in extra)) {
      await until(`proxy of ${serviceAccount} is ready: ${proxy.output()}`, () => isReady(pod)).catch(
        (cause: Error) => {
          throw new Error(`${cause.message}\n${proxy.output()}`);
        },
      );
    }
    return { ...pod, id: meshId(serviceAccount), proxy, metrics };
  }

  /** Starts the test application in a pod. */
  async startApp(pod: Pod): Promise<PodProcess> {
    const app = pod.start([process.execPath, APP, pod.ip]);
    await until("the application serves", () => app.output().includes("serving"));
    return app;
  }

  async close(): Promise<void> {
    this.control.stop();
    await this.network.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #env(pod: Pod, serviceAccount: string, tokenFile: string): Record<string, string> {
    const { identity, destination, policy } = this.control.ports;
    const { hostIp } = this.network;
    const env: Record<string, string> = {
      OUTBOUND_LISTEN_ADDR: "127.0.0.1:4140",
      INBOUND_LISTEN_ADDR: "0.0.0.0:4143",
      ADMIN_LISTEN_ADDR: "0.0.0.0:4191",
      INBOUND_IPS: pod.ip,
      INBOUND_PORTS: "8080,8081,9000,9001",
      DESTINATION_SVC_ADDR: `${hostIp}:${destination}`,
      DESTINATION_SVC_NAME: CONTROL_PLANE_ID,
      DESTINATION_PROFILE_NETWORKS: "10.0.0.0/8",
      POLICY_SVC_ADDR: `${hostIp}:${policy}`,
      POLICY_SVC_NAME: CONTROL_PLANE_ID,
      POLICY_WORKLOAD: JSON.stringify({ ns: "shop", pod: serviceAccount }),
      POLICY_CLUSTER_NETWORKS: "10.0.0.0/8",
      IDENTITY_SVC_ADDR: `${hostIp}:${identity}`,
      IDENTITY_SVC_NAME: IDENTITY_ID,
      IDENTITY_DIR: join(this.#dir, "none"),
      IDENTITY_TRUST_ANCHORS: this.control.root.certPem,
      IDENTITY_TOKEN_FILE: tokenFile,
      IDENTITY_LOCAL_NAME: meshId(serviceAccount),
      OUTBOUND_CONNECT_EXP_BACKOFF_MIN: "50ms",
      OUTBOUND_CONNECT_EXP_BACKOFF_MAX: "200ms",
      LOG: "warn,linkerd=debug",
    };
    return Object.fromEntries(Object.entries(env).map(([name, value]) => [`LINKERD2_PROXY_${name}`, value]));
  }
}

/** Runs the test client in a pod and returns what it saw. */
export async function client<T>(pod: Pod, ...words: (string | number)[]): Promise<T> {
  return JSON.parse(await pod.run(process.execPath, CLIENT, ...words.map(String))) as T;
}

/** The sum of a metric's series whose labels contain all of `parts`. */
export function sumOf(metrics: string, name: string, ...parts: string[]): number {
  return metrics
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => parts.every((part) => line.includes(part)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

async function isReady(pod: Pod): Promise<boolean> {
  const status = await pod
    .run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:4191/ready")
    .catch(() => "");
  return status === "200";
}
