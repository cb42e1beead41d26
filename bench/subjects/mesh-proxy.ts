import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PORTS, PROXY_UID } from "#contracts/ports";
import {
  CONTROL_PLANE_ID,
  type FixtureControlPlane,
  IDENTITY_ID,
  meshId,
} from "../../test/support/fixture-control-plane.ts";
import { CONTROL_IP, type Host, on, sh } from "../lab/namespaces.ts";
import { LabProcess, waitFor } from "../lab/processes.ts";

/** The product under measurement. */
export const EXECUTABLE = join(import.meta.dir, "../../dist/linkerd");
/** The user that proxies run as; its connections are not redirected. */
export const AS_PROXY = ["setpriv", "--reuid", String(PROXY_UID), "--clear-groups"];

/** What a proxy needs to know of itself. */
export interface ProxyPlace {
  /** Also its service account and pod name. */
  readonly host: Host;
  readonly ip: string;
  readonly control: FixtureControlPlane;
  readonly dir: string;
}

/** Sends the host's connections through its proxy, as the init container does. */
export function redirect(host: Host): void {
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

/** Starts the host's proxy and waits for its certificate. */
export async function startProxy(place: ProxyPlace): Promise<LabProcess> {
  const { host } = place;
  const command = [...AS_PROXY, EXECUTABLE, "proxy"];
  const process = new LabProcess(`linkerd-ts ${host}`, host, command, proxyEnvironment(place));
  await waitFor(`the ${host} proxy's certificate`, process, async () =>
    (await admin(host, "/ready")).startsWith("ready"),
  );
  return process;
}

/** The environment that injection gives a sidecar. */
export function proxyEnvironment({ host, ip, control, dir }: ProxyPlace): Record<string, string> {
  if (!existsSync(EXECUTABLE)) throw new Error("There is no dist/linkerd: run npm run build first");
  const token = join(mkdtempSync(join(dir, "token-")), "token");
  sh(`chmod 755 ${dir} ${join(token, "..")}`);
  writeFileSync(token, `token-of-${host}`, { mode: 0o644 });
  const { identity, destination, policy } = control.ports;
  const settings: Record<string, string> = {
    OUTBOUND_LISTEN_ADDR: `127.0.0.1:${PORTS.proxyOutbound}`,
    INBOUND_LISTEN_ADDR: `0.0.0.0:${PORTS.proxyInbound}`,
    INBOUND_IPS: ip,
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
    LOG: "warn,linkerd=info",
  };
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [`LINKERD2_PROXY_${name}`, value]));
}

/** The answer of a proxy's admin port. */
export function admin(host: Host, path: string): Promise<string> {
  return output(host, ["curl", "-s", "--max-time", "5", `http://127.0.0.1:${PORTS.proxyAdmin}${path}`]);
}

/** What a command on a host prints. */
export async function output(host: Host, command: readonly string[]): Promise<string> {
  const child = Bun.spawn(on(host, command), { stdout: "pipe", stderr: "ignore" });
  const text = await new Response(child.stdout).text();
  await child.exited;
  return text;
}
