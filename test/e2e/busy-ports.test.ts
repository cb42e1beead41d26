/** A program whose port another one has: it says which port and what to do, ends, and disturbs nobody. Real processes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRootCa } from "#x509";
import { kubeconfig } from "../support/cli.ts";
import { KubeApi } from "../support/kube-api.ts";
import { executable } from "../support/mesh-playground.ts";
import { playgroundEnv } from "../support/playground.ts";
import { writeServingCertificate } from "../support/serving-certificate.ts";

const RUN_LIMIT_MS = 15_000;
const FREE = "127.0.0.1:0";
const ANOTHER = "end what is there, or give this program another address";
const HELD = "held by the other program";
const folder = mkdtempSync(join(tmpdir(), "linkerd-ts-busy-"));
const state = join(folder, "state");
let api: KubeApi;
let holder: Server;
let address: string;
let rootPem: string;

beforeAll(async () => {
  api = await KubeApi.start();
  api.onPost("selfsubjectaccessreviews", (body) => ({ ...body, status: { allowed: true } }));
  writeFileSync(join(folder, "kubeconfig"), kubeconfig(api));
  const root = await createRootCa({ name: "root", lifetimeMs: 3_600_000, nowMs: Date.now() });
  rootPem = root.certPem;
  writeFileSync(join(folder, "crt.pem"), root.certPem);
  writeFileSync(join(folder, "key.pem"), root.keyPem);
  await writeServingCertificate({ certPath: join(folder, "tls.crt"), keyPath: join(folder, "tls.key") }, "webhook");
  holder = createServer((socket) => socket.end(HELD));
  await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
  address = `127.0.0.1:${(holder.address() as { port: number }).port}`;
});

afterAll(async () => {
  holder.close();
  await api.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Run {
  readonly words: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Flags of a control plane's program; those of `busy` get the taken address, those of `free` any free port. */
function controller(program: string, busy: string, free: readonly string[], ...more: readonly string[]): Run {
  const ports = [`-${busy}=${address}`, ...free.map((name) => `-${name}=${FREE}`)];
  const words = program === "metrics-api" ? ["viz", program] : ["controller", program];
  return { words: [...words, `-kubeconfig=${join(folder, "kubeconfig")}`, ...ports, ...more] };
}

function identity(busy: string, free: string): Run {
  return controller("identity", busy, [free], `-issuer-directory=${folder}`, `-trust-roots-file=${folder}/crt.pem`);
}

function policy(busy: string, ...free: readonly string[]): Run {
  const files = [`-server-tls-certs=${folder}/tls.crt`, `-server-tls-key=${folder}/tls.key`];
  return controller("policy", busy, free, ...files);
}

function webhook(program: string, busy: string, free: string): Run {
  return controller(program, busy, [free], `-tls-dir=${folder}`);
}

/** A sidecar's environment with one of its three listeners on the taken address; nothing else of it is there. */
function proxy(busy: "INBOUND" | "OUTBOUND" | "ADMIN"): Run {
  const name = "web.shop.serviceaccount.identity.linkerd.cluster.local";
  const settings: Record<string, string> = {
    INBOUND_LISTEN_ADDR: FREE,
    OUTBOUND_LISTEN_ADDR: FREE,
    ADMIN_LISTEN_ADDR: FREE,
    [`${busy}_LISTEN_ADDR`]: address,
    DESTINATION_SVC_ADDR: "127.0.0.1:1",
    DESTINATION_SVC_NAME: name,
    POLICY_SVC_ADDR: "127.0.0.1:1",
    POLICY_SVC_NAME: name,
    POLICY_WORKLOAD: JSON.stringify({ ns: "shop", pod: "web" }),
    IDENTITY_SVC_ADDR: "127.0.0.1:1",
    IDENTITY_SVC_NAME: name,
    IDENTITY_DIR: join(folder, "none"),
    IDENTITY_TRUST_ANCHORS: rootPem,
    IDENTITY_TOKEN_FILE: "/dev/null",
    IDENTITY_LOCAL_NAME: name,
  };
  const env = Object.entries(settings).map(([key, value]) => [`LINKERD2_PROXY_${key}`, value]);
  return { words: ["proxy"], env: Object.fromEntries(env) };
}

function playground(...words: readonly string[]): Run {
  return { words: ["playground", "up", ...words, "--port", address.split(":")[1]!] };
}

const taken: readonly [what: string, run: () => Run, advice: string][] = [
  ["playground up", () => playground(), "leave --port out for a free one"],
  ["playground up --foreground", () => playground("--foreground"), "leave --port out for a free one"],
  ["the proxy's inbound side", () => proxy("INBOUND"), ANOTHER],
  ["the proxy's outbound side", () => proxy("OUTBOUND"), ANOTHER],
  ["the proxy's admin", () => proxy("ADMIN"), ANOTHER],
  ["identity", () => identity("addr", "admin-addr"), ANOTHER],
  ["identity's admin", () => identity("admin-addr", "addr"), ANOTHER],
  ["destination", () => controller("destination", "addr", ["metrics-addr"]), ANOTHER],
  ["destination's admin", () => controller("destination", "metrics-addr", ["addr"]), ANOTHER],
  ["policy", () => policy("grpc-addr", "admin-addr", "server-addr"), ANOTHER],
  ["policy's admin", () => policy("admin-addr", "grpc-addr", "server-addr"), ANOTHER],
  ["policy's webhook", () => policy("server-addr", "grpc-addr", "admin-addr"), ANOTHER],
  ["the injector", () => webhook("proxy-injector", "addr", "metrics-addr"), ANOTHER],
  ["the injector's admin", () => webhook("proxy-injector", "metrics-addr", "addr"), ANOTHER],
  ["the profile validator", () => webhook("sp-validator", "addr", "metrics-addr"), ANOTHER],
  ["metrics-api", () => controller("metrics-api", "addr", ["metrics-addr"]), ANOTHER],
  ["metrics-api's admin", () => controller("metrics-api", "metrics-addr", ["addr"]), ANOTHER],
];

for (const [what, run, advice] of taken) {
  test(`a port that ${what} needs and another program has is named, and ends the start`, async () => {
    const { words, env = {} } = run();
    const child = Bun.spawn([executable, ...words], {
      env: { ...playgroundEnv(), LINKERD_PLAYGROUND_STATE: state, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: RUN_LIMIT_MS,
    });
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect({ code: await child.exited, signal: child.signalCode, out }).toEqual({ code: 1, signal: null, out: "" });
    const said = err.split("\n").filter((line) => line.includes(address));
    expect(said.length, err).toBe(1);
    expect(said[0]).toContain(`Cannot listen on ${address}`);
    expect(said[0]).toContain(`another program has that port (EADDRINUSE); ${advice}`);
    expect(err).not.toMatch(/^\s+at /m);
    expect(await read(address)).toBe(HELD);
    expect(existsSync(state) ? readdirSync(state) : []).toEqual([]);
  });
}

test("an address that this machine does not have is named as such", async () => {
  const elsewhere = "203.0.113.7:4143"; // for documentation, RFC 5737
  const { words, env } = proxy("INBOUND");
  const done = Bun.spawnSync([executable, ...words], {
    env: { ...env, LINKERD2_PROXY_INBOUND_LISTEN_ADDR: elsewhere },
    stdin: "ignore",
    timeout: RUN_LIMIT_MS,
  });
  expect(done.exitCode).toBe(1);
  expect(done.stderr.toString()).toContain(`Cannot listen on ${elsewhere}: this machine has no such address`);
});

function read(from: string): Promise<string> {
  const [host, port] = from.split(":");
  return new Promise((resolve, reject) => {
    let text = "";
    connect(Number(port), host)
      .on("data", (chunk) => (text += chunk))
      .on("end", () => resolve(text))
      .on("error", reject);
  });
}
