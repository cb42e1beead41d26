/** What passes between the shop's pods, as a listener on the network sees it, and what strangers get. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Pod } from "#kube";
import { Authority, createRootCa, generatePrivateKey, publicKeyDer } from "#x509";
import { Capture, carries, handshakesFrom, type Segment } from "../support/capture.ts";
import { MeshPlayground, START_MS } from "../support/mesh-playground.ts";
import { playgroundEnv, until, visibleBun } from "../support/playground.ts";
import { TLS_1_3, X25519MLKEM768 } from "../support/tls-handshake.ts";

const bun = visibleBun();

const NAMES = ["apple", "bagel", "coffee", "doughnut"];
const DOMAIN = "serviceaccount.identity.linkerd.cluster.local";
const DAY_MS = 86_400_000;
/** A pod outside the mesh, with the tools of the machine in it. */
const STRANGER = JSON.stringify({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "stranger",
    namespace: "voting",
    labels: { app: "stranger" },
    annotations: { "linkerd.io/inject": "disabled" },
  },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [{ name: "shell", image: "none", command: ["sh", "-c", "exec sleep 1000000"] }],
  },
});
let mesh: MeshPlayground;
let web: Pod;
let voting: Pod;
let stranger: Pod;

beforeAll(async () => {
  mesh = await MeshPlayground.start();
  await mesh.apply(STRANGER);
  stranger = await until("the stranger", async () => {
    const pod = await mesh.podOf("stranger");
    return pod.status?.phase === "Running" && pod;
  });
  [web, voting] = await Promise.all([mesh.podOf("web"), mesh.podOf("voting")]);
}, START_MS);
afterAll(() => mesh?.stop(), 30_000);

/** What is said in a pod's network, loopback left out, while something is done. */
async function listenAt(pod: Pod, act: () => Promise<unknown>): Promise<Segment[]> {
  const enter = [...mesh.enter(pod), "env", `PATH=${playgroundEnv()["PATH"]}`];
  const capture = await Capture.start(enter, "tcp and not host 127.0.0.1");
  try {
    await act();
  } catch (cause) {
    await capture.stop();
    throw cause;
  }
  return capture.stop();
}

/** What two pods said to each other; what a proxy hands its own application does not leave the pod. */
function between(segments: readonly Segment[], one: Pod, other: Pod): Segment[] {
  const isOf = (address: string, pod: Pod): boolean => address.startsWith(`${pod.status!.podIP}:`);
  return segments.filter(
    ({ source, target }) => (isOf(source, one) && isOf(target, other)) || (isOf(source, other) && isOf(target, one)),
  );
}

test("between two meshed pods there is TLS 1.3 with a post-quantum key exchange, and not a word in the clear", async () => {
  const opened = (): Promise<number> => mesh.count(voting, "tcp_open_total", 'direction="inbound"', 'client_id="web.');
  const old = await opened();
  const segments = await listenAt(voting, async () => {
    process.kill(mesh.proxyPid(web), "SIGKILL"); // the next one makes new connections
    await until("a new connection", async () => (await opened()) > old);
    await mesh.more(60);
  });
  const said = between(segments, web, voting);
  const handshakes = handshakesFrom(said, 8080).concat(handshakesFrom(said, 4143));
  expect(handshakes.length).toBeGreaterThan(0);
  for (const handshake of handshakes) expect(handshake).toEqual({ version: TLS_1_3, group: X25519MLKEM768 });
  expect(NAMES.filter((name) => carries(said, name))).toEqual([]);
  expect(carries(said, "shop.Voting")).toBe(false);
  expect(said.length).toBeGreaterThan(20);
});

test("a pod outside the mesh is served in the clear, and counted as not secured", async () => {
  let answer = "";
  const segments = await listenAt(web, async () => {
    answer = (await mesh.exec(stranger, "shell", "curl", "-sS", "-m", "10", "http://web:8080/products")).out;
  });
  expect(JSON.parse(answer)).toEqual({ products: NAMES.map((name) => ({ name })) });
  const said = between(segments, stranger, web);
  expect(handshakesFrom(said, 8080)).toEqual([]);
  expect(NAMES.filter((name) => carries(said, name))).toEqual(NAMES);
  const open = ['direction="inbound"', 'target_port="8080"', 'tls="no_identity"', 'no_tls_reason="no_tls_from_remote"'];
  expect(await mesh.count(web, "request_total", ...open)).toBe(1);
  expect(
    await mesh.count(web, "request_total", 'direction="inbound"', 'target_port="8080"', "client_id="),
  ).toBeGreaterThan(1);
});

/** A certificate in web's name under a root that nobody trusts. */
async function forged(): Promise<{ cert: string; key: string }> {
  const nowMs = Date.now();
  const root = await createRootCa({ name: "identity.linkerd.cluster.local", lifetimeMs: DAY_MS, nowMs });
  const authority = await Authority.load(root.certPem, root.keyPem);
  const key = generatePrivateKey();
  const der = authority.issueLeaf({
    publicKeyDer: publicKeyDer(key),
    dnsNames: [`web.voting.${DOMAIN}`],
    notBeforeMs: nowMs - 60_000,
    notAfterMs: nowMs + DAY_MS,
  });
  const cert = `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64")}\n-----END CERTIFICATE-----\n`;
  return { cert, key: key.export({ type: "pkcs8", format: "pem" }) as string };
}

/** Speaks TLS to voting's proxy from the stranger's pod; what the proxy says over it once it knows who asks. */
async function speakTls(
  port: number,
  credentials: object,
): Promise<{ version: string; heard: string; ended: boolean }> {
  const options = {
    host: voting.status!.podIP,
    port,
    servername: `voting.voting.${DOMAIN}`,
    rejectUnauthorized: false,
  };
  const script = `
    const socket = require("node:tls").connect(${JSON.stringify({ ...options, ...credentials })});
    let heard = "", version = "", ended = true;
    socket.on("secureConnect", () => {
      version = socket.getProtocol();
      socket.write("GET / HTTP/1.1\\r\\nhost: voting\\r\\n\\r\\n");
    });
    socket.on("data", (bytes) => { heard += bytes.toString("latin1"); socket.destroy(); });
    socket.on("error", () => {});
    const timer = setTimeout(() => { ended = false; socket.destroy(); }, 5000);
    socket.on("close", () => { clearTimeout(timer); console.log(JSON.stringify({ version, heard, ended })); });
  `;
  const { out, err } = await mesh.exec(stranger, "shell", bun, "-e", script);
  if (!out) throw new Error(`The stranger's program failed: ${err}`);
  return JSON.parse(out);
}

test("a client with a certificate of another root is sent away without an answer", async () => {
  await mesh.pause();
  const requests = (): Promise<number> =>
    mesh.count(voting, "request_total", 'direction="inbound"', 'target_port="8080"');
  const before = await requests();
  for (const port of [4143, 8080]) {
    expect({ port, ...(await speakTls(port, await forged())) }).toMatchObject({ port, heard: "", ended: true });
  }
  expect(await requests()).toBe(before);
  expect(before).toBeGreaterThan(0);
});

test("a client without a certificate is nobody: let in where anybody may come, not at the mesh's own port", async () => {
  expect(await speakTls(4143, {})).toMatchObject({ heard: "", ended: true });
  expect((await speakTls(8080, {})).heard).toStartWith("HTTP/1.1 502 "); // the gRPC server does not speak HTTP/1
});
