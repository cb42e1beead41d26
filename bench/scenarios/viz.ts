import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PORTS } from "#contracts/ports";
import { kubeconfig } from "../../test/support/cli.ts";
import { type Kept, KubeApi } from "../../test/support/kube-api.ts";
import { NAMESPACE, putPod, serviceName } from "../lab/cluster.ts";
import { CONTROL_IP, SERVER_IP, sh } from "../lab/namespaces.ts";
import { cpuUs, LabProcess, memoryOf, waitFor } from "../lab/processes.ts";
import { loadProgram } from "../load/program.ts";
import { EXECUTABLE, output } from "../subjects/mesh-proxy.ts";
import type { Figures, Scenario } from "./scenario.ts";

const DEPLOYMENTS = 10;
const PODS_EACH = 5;
const PROXIES = DEPLOYMENTS * PODS_EACH;
const FIRST_PROXY = "10.9.1.1";
const SCRAPE_INTERVAL = "250ms";
const WARM_ROUNDS = 10;
/** As many as in eleven minutes at the usual ten seconds. They take 16 s; a ring has its full size from its second point, 9 s. */
const ROUNDS = 66;
const ROUNDS_LIMIT_MS = 60_000;
const QUESTIONS = 200;
const POLL_MS = 50;

/** What metrics-api costs with its built-in store full: CPU per proxy that is read, memory, and time of an answer. */
export const viz: readonly Scenario[] = [
  {
    name: "viz",
    main: "cpuUsPerRequest",
    subjects: ["linkerd-ts"],
    maxRounds: 3,
    run: async (_subject, context) => {
      const dir = mkdtempSync(join(context.dir, "viz-"));
      const api = await KubeApi.start(CONTROL_IP);
      addAddresses();
      const main = join(import.meta.dir, "../load/fake-proxies.ts");
      const proxies = new LabProcess("proxies", "server", [
        process.execPath,
        main,
        String(PROXIES),
        String(PORTS.proxyAdmin),
      ]);
      try {
        writeFileSync(join(dir, "kubeconfig"), kubeconfig(api));
        await waitFor("the proxies", proxies, async () => (await readCount()) >= 0);
        fill(api);
        return await measure(dir);
      } finally {
        await proxies.stop();
        await api.stop();
        removeAddresses();
      }
    },
  },
];

async function measure(dir: string): Promise<Figures> {
  const metricsApi = new LabProcess("metrics-api", "client", [
    ...[EXECUTABLE, "viz", "metrics-api", `-kubeconfig=${join(dir, "kubeconfig")}`],
    ...[`-addr=:${PORTS.metricsApi}`, "-metrics-addr=127.0.0.1:9995", `-scrape-interval=${SCRAPE_INTERVAL}`],
    "-log-level=warn",
  ]);
  try {
    const first = await untilRead(metricsApi, WARM_ROUNDS * PROXIES);
    const before = cpuUs(metricsApi.pids());
    const last = await untilRead(metricsApi, ROUNDS * PROXIES);
    const cpuUsPerRequest = (cpuUs(metricsApi.pids()) - before) / (last - first);
    const memory = memoryOf(metricsApi.pids());
    await askProxy("slow"); // rounds are now about as long as the usual interval, as they are when people ask
    const asked = await loadProgram("client", "stat-summary.ts", ["127.0.0.1", PORTS.metricsApi, NAMESPACE, QUESTIONS]);
    if (asked.rows !== DEPLOYMENTS) throw new Error(`${asked.rows} of ${DEPLOYMENTS} deployments show traffic`);
    return { cpuUsPerRequest, p50Us: asked.p50Us, p99Us: asked.p99Us, ...memory };
  } finally {
    await metricsApi.stop();
  }
}

/** Waits until proxies were read so many times together; returns how many times they were. */
async function untilRead(metricsApi: LabProcess, count: number): Promise<number> {
  const endMs = performance.now() + ROUNDS_LIMIT_MS;
  for (;;) {
    const read = await readCount();
    if (read >= count) return read;
    if (metricsApi.hasEnded) throw new Error(`metrics-api ended:\n${await metricsApi.output()}`);
    if (performance.now() > endMs) throw new Error(`The proxies were read ${read} times, wanted ${count}`);
    await Bun.sleep(POLL_MS);
  }
}

/** How many times proxies were read; -1 while they do not serve. */
async function readCount(): Promise<number> {
  const text = await askProxy("count");
  return text === "" ? -1 : Number(text);
}

function askProxy(path: string): Promise<string> {
  return output("client", ["curl", "-s", "--max-time", "5", `http://${FIRST_PROXY}:${PORTS.proxyAdmin}/${path}`]);
}

function fill(api: KubeApi): void {
  api.put("namespaces", { metadata: { name: NAMESPACE } });
  for (let index = 0; index < DEPLOYMENTS; index++) {
    const name = serviceName(index);
    const owner = (kind: string, of: string) => [{ apiVersion: "apps/v1", kind, name: of, uid: of, controller: true }];
    api.put("deployments", { metadata: { name, namespace: NAMESPACE } });
    const set = `${name}-7d9f8b`;
    const metadata = { name: set, namespace: NAMESPACE, ownerReferences: owner("Deployment", name) };
    api.put("replicasets", { metadata });
    for (let one = 0; one < PODS_EACH; one++) {
      const ip = `10.9.1.${index * PODS_EACH + one + 1}`;
      const pod = putPod(api, name, 0, `${set}-${one}`);
      const status = { phase: "Running", podIP: ip, podIPs: [{ ip }] };
      api.put("pods", {
        ...pod,
        metadata: { ...pod.metadata, ownerReferences: owner("ReplicaSet", set) },
        status,
      } as Kept);
    }
  }
}

/** The proxies' addresses are on the server host's own loopback, and the client knows the way. */
function addAddresses(): void {
  sh(`for i in $(seq ${PROXIES}); do ip -n server addr add 10.9.1.$i/32 dev lo; done
    ip -n client route add 10.9.1.0/24 via ${SERVER_IP}`);
}

function removeAddresses(): void {
  sh(`for i in $(seq ${PROXIES}); do ip -n server addr del 10.9.1.$i/32 dev lo; done
    ip -n client route del 10.9.1.0/24`);
}
