import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PORTS, PROXY_UID } from "#contracts/ports";
import {
  addUpdate,
  CONTROL_PLANE_ID,
  EMPTY_PROFILE,
  endpoint,
  FixtureControlPlane,
  IDENTITY_ID,
  meshId,
  servicePolicy,
} from "../../test/support/fixture-control-plane.ts";
import { CLIENT_IP, CONTROL_IP, type Host, on, SERVER_IP, sh } from "../lab/namespaces.ts";
import { LabProcess, waitFor } from "../lab/processes.ts";
import type { LabPaths, Protocol, RunningSubject, Subject } from "./subject.ts";

const EXECUTABLE = join(import.meta.dir, "../../dist/linkerd");
/** A service address: nothing listens there, the client's proxy takes what is sent to it. */
const SERVICE = { host: "10.96.0.20", port: 80 };
const PATH = "application.shop.svc.cluster.local:80";
const PROOF_REQUESTS = 25;

/**
 * The product as it runs in pods: the built executable, redirected by `network-init`, certified and configured by a control
 * plane over mesh TLS, policy that lets only identified clients in.
 */
export const linkerd: Subject = {
  name: "linkerd-ts",
  protocols: ["http1", "http2", "opaque"],
  async start(protocol, paths) {
    const control = await controlPlane(protocol, paths);
    for (const host of ["client", "server"] as const) redirect(host);
    const [client, server] = await Promise.all([
      startProxy("client", control, paths.dir),
      startProxy("server", control, paths.dir),
    ]);
    const running: RunningSubject = {
      target: SERVICE,
      hops: () => [client.pids(), server.pids()],
      counted: async () => ({
        outbound: await countOf("client", 'request_total{[^}]*direction="outbound"'),
        inbound: await countOf("server", 'request_total{[^}]*direction="inbound"[^}]*tls="true"'),
      }),
      async stop() {
        await Promise.all([client.stop(), server.stop()]);
        control.stop();
        for (const host of ["client", "server"] as const) sh(`ip netns exec ${host} iptables -t nat -F`);
      },
    };
    if (protocol !== "opaque") {
      await proveOwn(running, protocol, paths).catch(async (cause: Error) => {
        await running.stop();
        throw new Error(
          `${cause.message}\nclient proxy: ${await client.output()}\nserver proxy: ${await server.output()}`,
        );
      });
    }
    return running;
  },
};

async function controlPlane(protocol: Protocol, { applicationPort }: LabPaths): Promise<FixtureControlPlane> {
  const control = await FixtureControlPlane.make(CONTROL_IP);
  const service = `${SERVICE.host}:${SERVICE.port}`;
  control.profiles.set(service, EMPTY_PROFILE);
  control.outbound.set(service, servicePolicy(PATH, protocol === "opaque" ? "opaque" : "detect"));
  const hint = protocol === "opaque" ? "opaque" : "h2";
  control.endpoints.set(
    PATH,
    addUpdate(endpoint(SERVER_IP, applicationPort, { id: meshId("server"), hint, viaInboundPort: true })),
  );
  await control.start();
  return control;
}

function redirect(host: Host): void {
  const flags = [
    `--incoming-proxy-port=${PORTS.proxyInbound}`,
    `--outgoing-proxy-port=${PORTS.proxyOutbound}`,
    "--iptables-mode=nft",
    `--proxy-uid=${PROXY_UID}`,
    `--inbound-ports-to-ignore=${PORTS.proxyTap},${PORTS.proxyAdmin}`,
  ];
  const done = Bun.spawnSync(on(host, [EXECUTABLE, "network-init", ...flags]));
  if (done.exitCode !== 0)
    throw new Error(`Cannot redirect traffic on ${host}:\n${done.stderr.toString()}${done.stdout.toString()}`);
}

async function startProxy(host: Host, control: FixtureControlPlane, dir: string): Promise<LabProcess> {
  if (!existsSync(EXECUTABLE)) throw new Error("There is no dist/linkerd: run npm run build first");
  const token = join(mkdtempSync(join(dir, "token-")), "token");
  sh(`chmod 755 ${dir} ${join(token, "..")}`);
  writeFileSync(token, `token-of-${host}`, { mode: 0o644 });
  const { identity, destination, policy } = control.ports;
  const settings: Record<string, string> = {
    OUTBOUND_LISTEN_ADDR: `127.0.0.1:${PORTS.proxyOutbound}`,
    INBOUND_LISTEN_ADDR: `0.0.0.0:${PORTS.proxyInbound}`,
    INBOUND_IPS: host === "client" ? CLIENT_IP : SERVER_IP,
    ADMIN_LISTEN_ADDR: `0.0.0.0:${PORTS.proxyAdmin}`,
    INBOUND_DEFAULT_POLICY: "all-authenticated",
    DESTINATION_SVC_ADDR: `${CONTROL_IP}:${destination}`,
    DESTINATION_SVC_NAME: CONTROL_PLANE_ID,
    DESTINATION_PROFILE_NETWORKS: "10.0.0.0/8",
    POLICY_SVC_ADDR: `${CONTROL_IP}:${policy}`,
    POLICY_SVC_NAME: CONTROL_PLANE_ID,
    POLICY_WORKLOAD: JSON.stringify({ ns: "shop", pod: host }),
    POLICY_CLUSTER_NETWORKS: "10.0.0.0/8",
    IDENTITY_SVC_ADDR: `${CONTROL_IP}:${identity}`,
    IDENTITY_SVC_NAME: IDENTITY_ID,
    IDENTITY_DIR: join(dir, "none"),
    IDENTITY_TRUST_ANCHORS: control.root.certPem,
    IDENTITY_TOKEN_FILE: token,
    IDENTITY_LOCAL_NAME: meshId(host),
    LOG: "error",
  };
  const env = Object.fromEntries(Object.entries(settings).map(([name, value]) => [`LINKERD2_PROXY_${name}`, value]));
  const asProxy = ["setpriv", "--reuid", String(PROXY_UID), "--clear-groups"];
  const process = new LabProcess(`linkerd-ts ${host}`, host, [...asProxy, EXECUTABLE, "proxy"], env);
  await waitFor(`the ${host} proxy's certificate`, process, async () =>
    (await admin(host, "/ready")).startsWith("ready"),
  );
  return process;
}

/** Identity seen by the application, a stranger refused, counters equal to requests sent. */
async function proveOwn(running: RunningSubject, protocol: Protocol, paths: LabPaths): Promise<void> {
  const version = protocol === "http2" ? "--http2-prior-knowledge" : "--http1.1";
  const url = `http://${SERVICE.host}:${SERVICE.port}/proof`;
  const before = await running.counted!();
  const one = `curl -s -i --max-time 5 ${version} ${url}`; // curl 7.88 cannot use an HTTP/2 connection twice
  const answers = await output("client", ["sh", "-c", `for i in $(seq ${PROOF_REQUESTS}); do ${one}; done`]);
  const seen = [...answers.matchAll(/x-seen-client: (\S+)/gi)].map(([, id]) => id);
  if (seen.length !== PROOF_REQUESTS || seen.some((id) => id !== meshId("client"))) {
    throw new Error(
      `The application saw ${seen.length} requests of ${new Set(seen).size} clients, wanted ${PROOF_REQUESTS} of ${meshId("client")}`,
    );
  }
  await waitFor("counters equal to the requests sent", undefined, async () => {
    const after = await running.counted!();
    return after.outbound - before.outbound === PROOF_REQUESTS && after.inbound - before.inbound === PROOF_REQUESTS;
  });
  const asProxy = ["setpriv", "--reuid", String(PROXY_UID), "--clear-groups"]; // past the client's own redirection
  const denied = await output("client", [
    ...asProxy,
    "curl",
    "-s",
    "-i",
    "--max-time",
    "5",
    version,
    `http://${SERVER_IP}:${paths.applicationPort}/denied`,
  ]);
  if (!/^HTTP\/[\d.]+ 403/.test(denied))
    throw new Error(`A client without identity was not refused:\n${denied.slice(0, 300)}`);
}

async function countOf(host: Host, pattern: string): Promise<number> {
  const text = await admin(host, "/metrics");
  return [...text.matchAll(new RegExp(`^${pattern}[^}]*} (\\d+)$`, "gm"))].reduce(
    (sum, match) => sum + Number(match.at(-1)),
    0,
  );
}

function admin(host: Host, path: string): Promise<string> {
  return output(host, ["curl", "-s", "--max-time", "5", `http://127.0.0.1:${PORTS.proxyAdmin}${path}`]);
}

async function output(host: Host, command: readonly string[]): Promise<string> {
  const child = Bun.spawn(on(host, command), { stdout: "pipe", stderr: "ignore" });
  const text = await new Response(child.stdout).text();
  await child.exited;
  return text;
}
