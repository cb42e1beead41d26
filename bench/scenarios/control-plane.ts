import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRootCa } from "#x509";
import { kubeconfig } from "../../test/support/cli.ts";
import { meshId } from "../../test/support/fixture-control-plane.ts";
import { type Kept, KubeApi } from "../../test/support/kube-api.ts";
import { fillCluster, NAMESPACE, putPod, putSlice, serviceName } from "../lab/cluster.ts";
import { CONTROL_IP, on, SERVER_IP, sh } from "../lab/namespaces.ts";
import { cpuUs, LabProcess, memoryOf, PeakMemory, waitFor } from "../lab/processes.ts";
import { canConnect } from "../load/connect.ts";
import { loadProgram } from "../load/program.ts";
import { controlPlane, inboundHop } from "../subjects/linkerd.ts";
import { AS_PROXY, EXECUTABLE, redirect, startProxy } from "../subjects/mesh-proxy.ts";
import type { InboundHop } from "../subjects/subject.ts";
import type { Figures, RunContext, Scenario } from "./scenario.ts";

const SERVICES = 1_000;
const PODS_EACH = 10;
const PROXIES = 1_000;
const CONNECTING = 16; // proxies that connect at a time
const CHANGES = 100; // the 99th percentile of their times is the second largest
const CHANGE_LIMIT_MS = 15_000;
const FIRST_CHANGED_POD = SERVICES * PODS_EACH; // its number, and so its address, is nobody else's
const DESTINATION_PORT = 8086;
const IDENTITY_PORT = 8080;
const CERTIFYING = 32; // requests at a time
const WARM_UP_SECONDS = 1;
const USERNAME = `system:serviceaccount:${NAMESPACE}:web`;
const HOUR_MS = 3_600_000;

/** What the control plane does for a thousand proxies; peers have none, so these are ours alone. */
export const control: readonly Scenario[] = [
  {
    name: "control-plane",
    main: "p99Us", // from a slice's change at the API server to the last of the proxies
    subjects: ["linkerd-ts"],
    maxRounds: 3,
    run: async (_subject, context) => {
      const dir = mkdtempSync(join(context.dir, "control-plane-"));
      sh(`chmod 755 ${context.dir} ${dir}`); // the programs run as another user
      const api = await KubeApi.start(CONTROL_IP);
      try {
        writeFileSync(join(dir, "kubeconfig"), kubeconfig(api));
        return { ...(await follow(api, dir)), ...(await certify(api, dir, context)) };
      } finally {
        await api.stop();
      }
    },
  },
];

/** Destination behind its own sidecar, a thousand proxies that follow it over mesh TLS, endpoints that change. */
async function follow(api: KubeApi, dir: string): Promise<Figures> {
  fillCluster(api, { services: SERVICES, podsEach: PODS_EACH });
  const fixture = await controlPlane("http1", DESTINATION_PORT); // certifies the sidecar and the proxies
  redirect("server");
  const sidecar = await startProxy({ host: "server", ip: SERVER_IP, control: fixture, dir });
  const destination = program("destination", dir, [
    `-addr=:${DESTINATION_PORT}`,
    "-metrics-addr=127.0.0.1:9996",
    "-identity-trust-domain=cluster.local",
  ]);
  const peak = new PeakMemory(destination);
  let proxies: Proxies | undefined;
  try {
    await waitFor("destination", destination, () => canConnect("server", "127.0.0.1", DESTINATION_PORT));
    const rssAnonPeakKb = peak.stop();
    proxies = new Proxies(await inboundHop(fixture, { dir, applicationPort: DESTINATION_PORT }));
    await proxies.says("subscribed");
    const times = await change(api, proxies);
    return {
      p50Us: quantile(times, 0.5),
      p99Us: quantile(times, 0.99),
      ...memoryOf(destination.pids()),
      rssAnonPeakKb,
    };
  } finally {
    peak.stop();
    await proxies?.stop();
    await Promise.all([destination.stop(), sidecar.stop()]);
    fixture.stop();
    sh("ip netns exec server iptables -t nat -F");
  }
}

/** Replaces an endpoint of the service that all follow, again and again; microseconds until the last proxy was sent it. */
async function change(api: KubeApi, proxies: Proxies): Promise<number[]> {
  const service = serviceName(0);
  const stay = Array.from({ length: PODS_EACH - 1 }, (_, index) => putPod(api, service, index));
  const times: number[] = [];
  for (let count = 0; count < CHANGES; count++) {
    const name = `change-${String(count).padStart(4, "0")}`;
    await proxies.watch(name);
    const pod = putPod(api, service, FIRST_CHANGED_POD + count, name);
    const startedAtMs = performance.now();
    putSlice(api, service, [...stay, pod]);
    await proxies.says(`seen ${name}`);
    times.push((performance.now() - startedAtMs) * 1_000);
  }
  return times;
}

/** The program that plays a thousand proxies, on the client host. */
class Proxies {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #lines: AsyncIterator<string>;
  readonly #errors: Promise<string>;

  constructor({ host, port, serverName, certFile, keyFile, caFile, as }: InboundHop) {
    const paths = [
      `${serviceName(0)}.${NAMESPACE}.svc.cluster.local:80`,
      `service-%.${NAMESPACE}.svc.cluster.local:80`,
    ];
    const args = [host, port, serverName, certFile, keyFile, caFile, PROXIES, CONNECTING, ...paths].map(String);
    const command = [...as, process.execPath, join(import.meta.dir, "../load/subscribers.ts"), ...args];
    this.#child = Bun.spawn(on("client", command), { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    this.#lines = linesOf(this.#child.stdout);
    this.#errors = new Response(this.#child.stderr).text();
  }

  async watch(name: string): Promise<void> {
    this.#child.stdin.write(`${name}\n`);
    this.#child.stdin.flush();
    await this.says(`watching ${name}`);
  }

  /** Waits for its next line, which must be this one. */
  async says(line: string): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), CHANGE_LIMIT_MS);
    const { value, done } = await this.#lines.next();
    clearTimeout(timer);
    if (done || value !== line)
      throw new Error(
        `Waited for the proxies to say "${line}", got "${value ?? ""}":\n${done ? await this.#errors : ""}`,
      );
  }

  async stop(): Promise<void> {
    this.#child.stdin.end();
    await this.#child.exited;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (text + decoder.decode(chunk, { stream: true })).split("\n");
    text = lines.pop()!;
    yield* lines;
  }
}

/** Identity as its sidecar asks it: each certificate takes a token review, a signature check, a signature and an event. */
async function certify(api: KubeApi, dir: string, { seconds }: RunContext): Promise<Figures> {
  api.onPost("selfsubjectaccessreviews", (body): Kept => ({ ...body, status: { allowed: true } }));
  api.onPost("tokenreviews", (body): Kept => {
    const { audiences } = body["spec"] as { audiences: string[] };
    return { ...body, status: { authenticated: true, user: { username: USERNAME }, audiences } };
  });
  api.onPost("events", (body) => body);
  const issuer = await createRootCa({ name: "issuer", lifetimeMs: HOUR_MS, nowMs: Date.now() });
  writeFileSync(join(dir, "crt.pem"), issuer.certPem);
  writeFileSync(join(dir, "key.pem"), issuer.keyPem, { mode: 0o644 });
  const identity = program("identity", dir, [
    `-addr=:${IDENTITY_PORT}`,
    "-admin-addr=127.0.0.1:9990",
    `-issuer-directory=${dir}`,
    `-trust-roots-file=${join(dir, "crt.pem")}`,
  ]);
  try {
    await waitFor("identity", identity, () => canConnect("server", "127.0.0.1", IDENTITY_PORT));
    const ask = (time: number) => {
      const args = ["127.0.0.1", IDENTITY_PORT, meshId("web"), "token-of-web", time, CERTIFYING];
      return loadProgram("server", "certify.ts", args);
    };
    await ask(WARM_UP_SECONDS);
    const before = cpuUs(identity.pids());
    const { issued, ms } = await ask(seconds);
    const spent = cpuUs(identity.pids()) - before;
    return { perCpuSecond: (issued / spent) * 1e6, rps: (issued / ms) * 1_000 };
  } finally {
    await identity.stop();
  }
}

/** A program of the control plane on the server host, as the user whose connections are not redirected. */
function program(name: string, dir: string, flags: readonly string[]): LabProcess {
  const kubeconfigFlag = `-kubeconfig=${join(dir, "kubeconfig")}`;
  return new LabProcess(name, "server", [
    ...AS_PROXY,
    EXECUTABLE,
    "controller",
    name,
    kubeconfigFlag,
    "-log-level=warn",
    ...flags,
  ]);
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * q) - 1)]!;
}
