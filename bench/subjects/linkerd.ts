import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  addUpdate,
  EMPTY_PROFILE,
  endpoint,
  FixtureControlPlane,
  meshId,
  servicePolicy,
} from "../../test/support/fixture-control-plane.ts";
import { CLIENT_IP, CONTROL_IP, type Host, SERVER_IP, sh } from "../lab/namespaces.ts";
import { waitFor } from "../lab/processes.ts";
import { AS_PROXY, admin, output, redirect, startProxy } from "./mesh-proxy.ts";
import type { Address, InboundHop, LabPaths, Protocol, RunningSubject, Subject } from "./subject.ts";

/** A service address: nothing listens there, the client's proxy takes what is sent to it. */
export const SERVICE = { host: "10.96.0.20", port: 80 };
const PATH = "application.shop.svc.cluster.local:80";
const PROOF_REQUESTS = 25;

/**
 * The product as it runs in pods: the built executable, redirected by `network-init`, certified and configured by a control
 * plane over mesh TLS, policy that lets only identified clients in.
 */
export const linkerd: Subject = {
  name: "linkerd-ts",
  async start(protocol, paths) {
    const control = await controlPlane(protocol, paths.applicationPort);
    for (const host of ["client", "server"] as const) redirect(host);
    const [client, server] = await Promise.all([
      startProxy({ host: "client", ip: CLIENT_IP, control, dir: paths.dir }),
      startProxy({ host: "server", ip: SERVER_IP, control, dir: paths.dir }),
    ]);
    const running: RunningSubject = {
      target: SERVICE,
      inbound: await inboundHop(control, paths),
      addServices: (count) => addServices(control, count, paths.applicationPort),
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

/** Past the client's own proxy, with a certificate of the same mesh. */
export async function inboundHop(
  control: FixtureControlPlane,
  { dir, applicationPort }: Pick<LabPaths, "dir" | "applicationPort">,
): Promise<InboundHop> {
  const { certPem, keyPem } = await control.issue(meshId("client"));
  const files = { certFile: join(dir, "mesh.crt"), keyFile: join(dir, "mesh.key"), caFile: join(dir, "mesh-ca.crt") };
  writeFileSync(files.certFile, certPem);
  writeFileSync(files.keyFile, keyPem);
  writeFileSync(files.caFile, control.root.certPem);
  return { host: SERVER_IP, port: applicationPort, serverName: meshId("server"), ...files, as: AS_PROXY };
}

/** A control plane that knows the application's service. */
export async function controlPlane(protocol: Protocol, applicationPort: number): Promise<FixtureControlPlane> {
  const control = await FixtureControlPlane.make(CONTROL_IP);
  know(control, SERVICE, PATH, protocol, applicationPort);
  await control.start();
  return control;
}

/** More services with the same endpoint; returns their addresses. */
function addServices(control: FixtureControlPlane, count: number, applicationPort: number): Address[] {
  return Array.from({ length: count }, (_, i) => {
    const service = { host: `10.96.1.${i + 1}`, port: 80 };
    know(control, service, `service-${i + 1}.shop.svc.cluster.local:80`, "http1", applicationPort);
    return service;
  });
}

function know(
  control: FixtureControlPlane,
  { host, port }: Address,
  path: string,
  protocol: Protocol,
  applicationPort: number,
): void {
  control.profiles.set(`${host}:${port}`, EMPTY_PROFILE);
  control.outbound.set(`${host}:${port}`, servicePolicy(path, protocol === "opaque" ? "opaque" : "detect"));
  const hint = protocol === "opaque" ? "opaque" : "h2";
  const server = endpoint(SERVER_IP, applicationPort, { id: meshId("server"), hint, viaInboundPort: true });
  control.endpoints.set(path, addUpdate(server));
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
  const denied = await output("client", [
    ...AS_PROXY, // past the client's own redirection
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
