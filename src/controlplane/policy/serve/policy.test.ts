/** The whole controller: a small API server on one side, @grpc/grpc-js on the other, real sockets between. */

import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type ClientReadableStream, credentials, type ServiceError } from "@grpc/grpc-js";
import { KubeClient } from "#kube";
import { silentLog } from "#lib/log";
import { parseFlags } from "#lib/program-flags";
import { IpNetwork } from "#net/address";
import { PortSpec, Server } from "#proto/inbound";
import { OutboundPolicy, TrafficSpec } from "#proto/outbound";
import { KubeApi } from "../../../../test/support/kube-api.ts";
import { writeServingCertificate } from "../../../../test/support/serving-certificate.ts";
import { ipMessage } from "../core/addresses.ts";
import type { PolicyConfig } from "../index/objects.ts";
import { POLICY_FLAGS, policyConfig } from "./flags.ts";
import { startPolicy } from "./run.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const network = (text: string): IpNetwork => IpNetwork.parse(text)!;

const CONFIG: PolicyConfig = {
  clusterNetworks: [network("10.0.0.0/8")],
  clusterDomain: "cluster.local",
  trustDomain: "cluster.local",
  controlPlaneNs: "linkerd",
  defaultPolicy: "all-unauthenticated",
  defaultOpaquePorts: "3306",
  probeNetworks: [network("0.0.0.0/0")],
  globalEgressNamespace: "linkerd-egress",
  allowL5dRequestHeaders: false,
};

const POD = {
  metadata: { name: "web-1", namespace: "shop", labels: { app: "web", "linkerd.io/control-plane-ns": "linkerd" } },
  spec: {
    containers: [
      {
        name: "app",
        ports: [{ name: "http", containerPort: 8080 }],
        livenessProbe: { httpGet: { path: "/live?x=1", port: "http" } },
      },
    ],
  },
};
const SERVICE = {
  metadata: { name: "web", namespace: "shop" },
  spec: { clusterIP: "10.96.0.10", clusterIPs: ["10.96.0.10"], ports: [{ port: 80 }] },
};

async function start() {
  const api = await KubeApi.start();
  cleanups.push(() => api.stop());
  api.missing.add("httproutes"); // one name for two groups, which this API server does not tell apart
  api.put("pods", POD);
  api.put("services", SERVICE);
  const listen = { host: "127.0.0.1", port: 0 };
  const app = await startPolicy({
    client: new KubeClient(api.cluster),
    config: CONFIG,
    grpc: listen,
    admin: listen,
    webhook: undefined,
    statusIdentity: "policy-1",
    log: silentLog,
  });
  cleanups.push(() => app.stop());
  const client = new Client(`127.0.0.1:${app.grpcPort}`, credentials.createInsecure());
  cleanups.push(() => client.close());
  return { api, app, client };
}

const INBOUND = "/io.linkerd.proxy.inbound.InboundServerPolicies";
const OUTBOUND = "/io.linkerd.proxy.outbound.OutboundPolicies";

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** Messages of one stream, in order, and how it ended. */
class Watch<T> {
  readonly #arrived: T[] = [];
  readonly #call: ClientReadableStream<T>;
  code: number | undefined;
  #wake: () => void = () => {};

  constructor(call: ClientReadableStream<T>) {
    this.#call = call;
    call.on("data", (message: T) => {
      this.#arrived.push(message);
      this.#wake();
    });
    call.on("error", () => {});
    call.on("status", ({ code }: { code: number }) => {
      this.code = code;
      this.#wake();
    });
    cleanups.push(() => call.cancel());
  }

  async next(): Promise<T> {
    while (this.#arrived.length === 0) {
      if (this.code !== undefined) throw new Error(`The stream ended with ${this.code}`);
      await this.#change();
    }
    return this.#arrived.shift()!;
  }

  async ended(): Promise<number> {
    while (this.code === undefined) await this.#change();
    return this.code;
  }

  get waiting(): number {
    return this.#arrived.length;
  }

  cancel(): void {
    this.#call.cancel();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function watch<Req, Res>(client: Client, path: string, req: Codec<Req>, res: Codec<Res>, request: Req): Watch<Res> {
  const call = client.makeServerStreamRequest(
    path,
    (message: Req) => Buffer.from(req.encode(message).finish()),
    (bytes: Buffer) => res.decode(bytes),
    request,
  );
  return new Watch(call);
}

function ask<Req, Res>(client: Client, path: string, req: Codec<Req>, res: Codec<Res>, request: Req): Promise<Res> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      (message: Req) => Buffer.from(req.encode(message).finish()),
      (bytes: Buffer) => res.decode(bytes),
      request,
      (error: ServiceError | null, answer?: Res) => (error ? reject(error) : resolve(answer!)),
    );
  });
}

const WORKLOAD = '{"ns":"shop", "pod":"web-1"}\n';
const inboundWatch = (client: Client, port = 8080) =>
  watch(client, `${INBOUND}/WatchPort`, PortSpec, Server, { workload: WORKLOAD, port });
const address = (ip: string, port: number): TrafficSpec => ({
  sourceWorkload: WORKLOAD,
  target: { $case: "addr", value: { ip: ipMessage(network(ip).bytes), port } },
});
const outboundWatch = (client: Client, spec: TrafficSpec) =>
  watch(client, `${OUTBOUND}/Watch`, TrafficSpec, OutboundPolicy, spec);

test("a port starts on its default policy, follows a new Server, and its stream ends with its pod", async () => {
  const { api, client } = await start();
  const stream = inboundWatch(client);
  const first = await stream.next();
  expect(first.labels).toEqual({ group: "", kind: "default", name: "all-unauthenticated" });
  expect(first.protocol?.kind?.$case).toBe("detect");

  api.put("servers", {
    metadata: { name: "web-http", namespace: "shop" },
    spec: { podSelector: { matchLabels: { app: "web" } }, port: "http", proxyProtocol: "HTTP/1" },
  });
  const second = await stream.next();
  expect(second.labels).toEqual({ group: "policy.linkerd.io", kind: "server", name: "web-http" });
  expect(second.protocol?.kind?.$case).toBe("http1");
  expect(second.authorizations).toEqual([]);

  api.remove("servers", "web-http", "shop");
  expect((await stream.next()).labels["kind"]).toBe("default");
  api.remove("pods", "web-1", "shop");
  expect(await stream.ended()).toBe(0);
});

test("a change that changes nothing for a port sends nothing", async () => {
  const { api, client } = await start();
  const stream = inboundWatch(client);
  await stream.next();
  api.put("pods", { ...POD, status: { phase: "Running" } });
  const other = { podSelector: {}, port: 9999 };
  api.put("servers", { metadata: { name: "other", namespace: "shop" }, spec: other });
  api.put("servers", { metadata: { name: "web", namespace: "shop" }, spec: { podSelector: {}, port: 8080 } });
  expect((await stream.next()).labels["name"]).toBe("web"); // the first message after those that said nothing new
  expect(stream.waiting).toBe(0);
});

test("an authentication in another namespace reaches the ports that refer to it", async () => {
  const { api, client } = await start();
  api.put("servers", { metadata: { name: "web", namespace: "shop" }, spec: { podSelector: {}, port: 8080 } });
  const ref = { group: "policy.linkerd.io", kind: "MeshTLSAuthentication", name: "friends", namespace: "other" };
  const targetRef = { group: "policy.linkerd.io", kind: "Server", name: "web" };
  api.put("authorizationpolicies", {
    metadata: { name: "friends-only", namespace: "shop" },
    spec: { targetRef, requiredAuthenticationRefs: [ref] },
  });
  const stream = inboundWatch(client);
  let server = await stream.next();
  while (server.labels["name"] !== "web") server = await stream.next();
  expect(server.authorizations).toEqual([]); // what it refers to is not there: it grants nothing
  api.put("meshtlsauthentications", {
    metadata: { name: "friends", namespace: "other" },
    spec: { identities: ["a.b"] },
  });
  server = await stream.next();
  expect(server.authorizations.map(({ labels }) => labels["name"])).toEqual(["friends-only"]);
});

const BAD_INBOUND: readonly (readonly [says: string, spec: PortSpec, code: number])[] = [
  ["a workload that is none", { workload: "nonsense", port: 80 }, 3],
  ["a workload without a pod", { workload: '{"ns":"shop"}', port: 80 }, 3],
  ["port 0", { workload: WORKLOAD, port: 0 }, 3],
  ["a port above 65535", { workload: WORKLOAD, port: 70_000 }, 3],
  ["a pod that is not there", { workload: "shop:web-2", port: 80 }, 5],
];

test.each(BAD_INBOUND)("GetPort and WatchPort refuse %s", async (_says, spec, code) => {
  const { client } = await start();
  const refusal = ask(client, `${INBOUND}/GetPort`, PortSpec, Server, spec).catch((error: ServiceError) => error.code);
  expect(await refusal).toBe(code);
  expect(await watch(client, `${INBOUND}/WatchPort`, PortSpec, Server, spec).ended()).toBe(code);
});

test("a Service's address is balanced over its endpoints; it follows its ports and ends when the Service goes", async () => {
  const { api, client } = await start();
  const stream = outboundWatch(client, address("10.96.0.10", 80));
  const policy = await stream.next();
  const detect = policy.protocol?.kind?.$case === "detect" ? policy.protocol.kind.value : undefined;
  const distribution = detect?.http1?.routes[0]?.rules[0]?.backends?.kind;
  const backend = distribution?.$case === "firstAvailable" ? distribution.value.backends[0]?.backend : undefined;
  expect(backend?.kind?.$case === "balancer" ? backend.kind.value.discovery?.kind?.value.path : undefined).toBe(
    "web.shop.svc.cluster.local:80",
  );

  api.put("services", { ...SERVICE, spec: { ...SERVICE.spec, ports: [{ port: 80, appProtocol: "http" }] } });
  expect((await stream.next()).protocol?.kind?.$case).toBe("http1");
  api.remove("services", "web", "shop");
  expect(await stream.ended()).toBe(5);
});

test("an address outside the cluster goes where it meant to, and is watched: an egress network takes it over", async () => {
  const { api, client } = await start();
  const stream = outboundWatch(client, address("1.1.1.1", 443));
  expect((await stream.next()).metadata?.kind).toEqual({ $case: "default", value: "egress-fallback" });
  api.put("egressnetworks", { metadata: { name: "all", namespace: "shop" }, spec: { trafficPolicy: "Deny" } });
  const { metadata } = await stream.next();
  expect(metadata?.kind?.$case === "resource" && metadata.kind.value.kind).toBe("EgressNetwork");
});

const spec = (target: TrafficSpec["target"]): TrafficSpec => ({ sourceWorkload: WORKLOAD, target });
const BAD_OUTBOUND: readonly (readonly [says: string, spec: TrafficSpec, code: number])[] = [
  ["no target", spec(undefined), 3],
  ["no address", spec({ $case: "addr", value: { ip: undefined, port: 80 } }), 3],
  ["port 0", address("10.96.0.10", 0), 3],
  ["a name that is none", spec({ $case: "authority", value: "a b:80" }), 3],
  ["a name outside the cluster", spec({ $case: "authority", value: "example.com:80" }), 5],
  ["an unknown address inside the cluster", address("10.1.2.3", 80), 5],
];

test.each(BAD_OUTBOUND)("Get and Watch refuse %s", async (_says, request, code) => {
  const { client } = await start();
  const refusal = ask(client, `${OUTBOUND}/Get`, TrafficSpec, OutboundPolicy, request).catch(
    (e: ServiceError) => e.code,
  );
  expect(await refusal).toBe(code);
  expect(await outboundWatch(client, request).ended()).toBe(code);
});

test("a thousand subscribers of one target get one computation's bytes", async () => {
  const { api, app, client } = await start();
  const streams = Array.from({ length: 1_000 }, () => outboundWatch(client, address("10.96.0.10", 80)));
  await Promise.all(streams.map((stream) => stream.next()));
  api.put("services", { ...SERVICE, spec: { ...SERVICE.spec, ports: [{ port: 80, appProtocol: "http" }] } });
  const kinds = await Promise.all(streams.map(async (stream) => (await stream.next()).protocol?.kind?.$case));
  expect(new Set(kinds)).toEqual(new Set(["http1"]));
  const metrics = await (await fetch(`http://127.0.0.1:${app.adminPort}/metrics`)).text();
  expect(metrics).toContain("outbound_index_updates_total 1\n");
  expect(metrics).toContain("outbound_index_targets 1\n");
});

test("the webhook refuses a bad resource over TLS and names the field", async () => {
  const api = await KubeApi.start();
  cleanups.push(() => api.stop());
  const directory = mkdtempSync(join(tmpdir(), "policy-"));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const paths = { certPath: join(directory, "tls.crt"), keyPath: join(directory, "tls.key") };
  const ca = await writeServingCertificate(paths, "linkerd-policy-validator.linkerd.svc");
  const listen = { host: "127.0.0.1", port: 0 };
  const app = await startPolicy({
    client: new KubeClient(api.cluster),
    config: CONFIG,
    grpc: listen,
    admin: listen,
    webhook: { ...listen, ...paths },
    statusIdentity: undefined,
    log: silentLog,
  });
  cleanups.push(() => app.stop());
  const review = async (spec: unknown) => {
    const kind = { group: "policy.linkerd.io", version: "v1beta3", kind: "Server" };
    const request = {
      uid: "u",
      kind,
      namespace: "shop",
      operation: "CREATE",
      object: { metadata: { name: "web" }, spec },
    };
    const body = JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request });
    const answer = await fetch(`https://localhost:${app.webhookPort}/`, { method: "POST", body, tls: { ca } });
    return ((await answer.json()) as { response: { allowed: boolean; status?: { message: string } } }).response;
  };
  expect(await review({ podSelector: {}, port: 80 })).toMatchObject({ allowed: true });
  const refused = await review({ podSelector: {}, port: 80, accessPolicy: "allow" });
  expect(refused.allowed).toBe(false);
  expect(refused.status?.message).toStartWith('Server shop/web: spec.accessPolicy: "allow" must be one of');
});

test("the arguments that the manifests pass are understood", () => {
  const args = [
    "--admin-addr=[::]:9990",
    "--control-plane-namespace=linkerd",
    "--grpc-addr=0.0.0.0:8090",
    "--server-addr=0.0.0.0:9443",
    "--server-tls-key=/var/run/linkerd/tls/tls.key",
    "--server-tls-certs=/var/run/linkerd/tls/tls.crt",
    "--cluster-networks=10.0.0.0/8,fd00::/8",
    "--identity-domain=trust.local",
    "--cluster-domain=cluster.local",
    "--default-policy=deny",
    "--log-level=info",
    "--log-format=plain",
    "--default-opaque-ports=25,3306",
    "--global-egress-network-namespace=linkerd-egress",
    "--probe-networks=0.0.0.0/0,::/0",
  ];
  const { values, errors } = parseFlags(args, POLICY_FLAGS);
  expect(errors).toEqual([]);
  const config = policyConfig(values);
  expect(config).toMatchObject({ defaultPolicy: "deny", trustDomain: "trust.local", defaultOpaquePorts: "25,3306" });
  expect([config.clusterNetworks.length, config.probeNetworks.length]).toEqual([2, 2]);
  expect(parseFlags(["--cluster-networks=10.0.0.0/99"], POLICY_FLAGS).errors).toHaveLength(1);
});

test("the holder of the lease writes why an object is not accepted, and again when it is", async () => {
  const { api } = await start();
  const targetRef = { group: "policy.linkerd.io", kind: "Server", name: "web" };
  const limit = {
    metadata: { name: "limit", namespace: "shop", generation: 3 },
    spec: { targetRef, total: { requestsPerSecond: 1 } },
  };
  api.put("httplocalratelimitpolicies", limit);
  type Patched = { lastPatch?: { body: { status: { conditions: { reason: string; observedGeneration: number }[] } } } };
  const reason = async (wanted: string) => {
    const deadlineMs = performance.now() + 4_000;
    for (;;) {
      const kept = api.get("httplocalratelimitpolicies", "limit", "shop") as Patched | undefined;
      const [condition] = kept?.lastPatch?.body.status.conditions ?? [];
      if (condition?.reason === wanted) return condition;
      if (performance.now() > deadlineMs)
        throw new Error(`No condition "${wanted}" within 4 s, but ${condition?.reason}`);
      await Bun.sleep(10);
    }
  };
  expect((await reason("NoMatchingTarget")).observedGeneration).toBe(3);
  api.put("servers", { metadata: { name: "web", namespace: "shop" }, spec: { podSelector: {}, port: 8080 } });
  await reason("Accepted");
  expect(api.get("leases", "policy-controller-write", "linkerd")?.["spec"]).toMatchObject({
    holderIdentity: "policy-1",
  });
});
