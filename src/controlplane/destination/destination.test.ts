import { afterEach, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { KubeClient } from "#kube";
import { silentLog } from "#lib/log";
import { DestinationProfile, GetDestination, Update, type WeightedAddr } from "#proto/destination";
import { type Kept, KubeApi } from "../../../test/support/kube-api.ts";
import { PortSet } from "./port-set.ts";
import { type DestinationConfig, startDestination } from "./program.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Stream<T> {
  readonly messages: T[];
  status: string | undefined;
  cancel(): void;
  /** Waits until `count` messages have come. */
  wait(count: number): Promise<T[]>;
  ended(): Promise<string>;
}

async function start(fill: (api: KubeApi) => void, config: Partial<DestinationConfig> = {}) {
  const api = await KubeApi.start();
  closers.push(() => api.stop());
  fill(api);
  const program = await startDestination(
    {
      listen: { host: "127.0.0.1", port: 0 },
      admin: { host: "127.0.0.1", port: 0 },
      streamQueueCapacity: 100,
      controlPlaneNs: "linkerd",
      trustDomain: "cluster.local",
      clusterDomain: "cluster.local",
      defaultOpaquePorts: PortSet.parse("25,3306"),
      enableH2Upgrade: true,
      forceOpaqueTransport: true,
      enableIpv6: false,
      zoneWeights: false,
      http2ClientParams: undefined,
      ...config,
    },
    { client: new KubeClient(api.cluster), log: silentLog },
  );
  closers.push(() => program.stop());
  await until(() => api.watcherCount === 6);
  const client = new grpc.Client(`127.0.0.1:${program.port}`, grpc.credentials.createInsecure());
  closers.push(() => client.close());
  const open = <T>(method: string, decode: (bytes: Buffer) => T, path: string, context: object = {}) =>
    openStream(client, method, decode, { scheme: "", path, contextToken: JSON.stringify(context) });
  return {
    api,
    program,
    get: (path: string, context?: object) => open("Get", (bytes) => Update.decode(bytes), path, context),
    getProfile: (path: string, context?: object) =>
      open("GetProfile", (bytes) => DestinationProfile.decode(bytes), path, context),
  };
}

function openStream<T>(
  client: grpc.Client,
  method: string,
  decode: (bytes: Buffer) => T,
  request: GetDestination,
): Stream<T> {
  const encode = (message: GetDestination) => Buffer.from(GetDestination.encode(message).finish());
  const call = client.makeServerStreamRequest(
    `/io.linkerd.proxy.destination.Destination/${method}`,
    encode,
    decode,
    request,
  );
  const stream: Stream<T> = {
    messages: [],
    status: undefined,
    cancel: () => call.cancel(),
    async wait(count) {
      await until(
        () => stream.messages.length >= count,
        () => `${count} messages; got ${show(stream)}`,
      );
      return stream.messages;
    },
    async ended() {
      await until(() => stream.status !== undefined);
      return stream.status!;
    },
  };
  call.on("data", (message: T) => stream.messages.push(message));
  call.on("error", () => {});
  call.on("status", ({ code, details }) => {
    stream.status = `${grpc.status[code]} ${details}`.trim();
  });
  return stream;
}

const show = (stream: Stream<unknown>) =>
  `${stream.status ?? "open"} ${JSON.stringify(stream.messages, (_, value) => (typeof value === "bigint" ? String(value) : value))}`;

async function until(isTrue: () => boolean, what: () => string = () => "the condition"): Promise<void> {
  const deadlineMs = Date.now() + 4_000;
  while (!isTrue()) {
    if (Date.now() > deadlineMs) throw new Error(`Waited in vain for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** An update in one line: `add 10.0.0.1:8080 …`, `remove …`, `none`. */
function line({ update }: Update): string {
  switch (update?.$case) {
    case "add":
      return `add ${update.value.addrs.map(address).sort().join(" ")}`;
    case "remove":
      return `remove ${update.value.addrs
        .map((addr) => address({ addr }))
        .sort()
        .join(" ")}`;
    case "noEndpoints":
      return update.value.exists ? "none" : "unknown";
    default:
      return "?";
  }
}

function address({ addr }: Pick<WeightedAddr, "addr">): string {
  const ip = addr?.ip?.ip;
  if (ip?.$case === "ipv4")
    return `${[24, 16, 8, 0].map((shift) => (ip.value >>> shift) & 255).join(".")}:${addr?.port}`;
  return `[${ip?.value.first.toString(16)}…${ip?.value.last.toString(16)}]:${addr?.port}`;
}

function onlyAddress(message: Update): WeightedAddr {
  if (message.update?.$case !== "add") throw new Error(`Wanted an Add, got ${line(message)}`);
  expect(message.update.value.addrs).toHaveLength(1);
  return message.update.value.addrs[0]!;
}

const WEB = "web.shop.svc.cluster.local";

function service(name = "web", spec: object = {}, annotations: object = {}): Kept {
  const ports = [
    { name: "http", port: 80, targetPort: 8080 },
    { name: "grpc", port: 90 },
  ];
  return {
    metadata: { name, namespace: "shop", annotations },
    spec: { clusterIP: "10.96.0.5", clusterIPs: ["10.96.0.5"], ports, ...spec },
  };
}

interface EndpointSpec {
  readonly ready?: boolean;
  readonly zone?: string;
  readonly hint?: string;
  readonly hostname?: string;
  readonly address?: string;
}

function slice(pods: Record<string, EndpointSpec>, name = "web-1", more: object = {}): Kept {
  return {
    metadata: { name, namespace: "shop", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: Object.entries(pods).map(([pod, { ready, zone, hint, hostname, address }]) => ({
      addresses: [address ?? `10.0.0.${pod.replace(/\D/g, "")}`],
      conditions: { ready },
      zone,
      hostname,
      hints: hint ? { forZones: [{ name: hint }] } : undefined,
      targetRef: pod.startsWith("bare") ? undefined : { kind: "Pod", name: pod, namespace: "shop" },
    })),
    ...more,
  };
}

interface PodSpec {
  readonly isMeshed?: boolean;
  readonly annotations?: object;
  readonly node?: string;
  readonly env?: object[];
  readonly phase?: string;
}

function pod(
  name: string,
  { isMeshed = true, annotations = {}, node = "n1", env = [], phase = "Running" }: PodSpec = {},
): Kept {
  const proxy = {
    name: "linkerd-proxy",
    env: [{ name: "LINKERD2_PROXY_INBOUND_LISTEN_ADDR", value: "0.0.0.0:4143" }, ...env],
  };
  const labels = {
    app: "web",
    "pod-template-hash": "5d8f",
    ...(isMeshed ? { "linkerd.io/control-plane-ns": "linkerd" } : {}),
  };
  const ownerReferences = [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-5d8f", uid: "u", controller: true }];
  const app = {
    name: "app",
    ports: [{ name: "http", containerPort: 8080, hostPort: 30080 }],
    env: [{ name: "PASSWORD", value: "x" }],
  };
  return {
    metadata: { name, namespace: "shop", labels, annotations, ownerReferences },
    spec: { serviceAccountName: "web", nodeName: node, containers: [app], initContainers: isMeshed ? [proxy] : [] },
    status: { phase, podIP: `10.0.0.${name.replace(/\D/g, "")}`, hostIP: "192.168.0.1" },
  };
}

function shop(api: KubeApi): void {
  api.put("services", service());
  api.put("pods", pod("web-1"));
  api.put("pods", pod("web-2", { isMeshed: false }));
  api.put("endpointslices", slice({ "web-1": {} }));
  for (const zone of ["a", "b"]) {
    api.put("nodes", { metadata: { name: `n-${zone}`, labels: { "topology.kubernetes.io/zone": zone } } });
  }
}

test("a meshed pod comes with identity, protocol, transport and labels", async () => {
  const { get } = await start(shop);
  const [first] = await get(`${WEB}:80`).wait(1);
  expect(first!.update).toMatchObject({ $case: "add", value: { metricLabels: { service: "web", namespace: "shop" } } });
  const name = "web.shop.serviceaccount.identity.linkerd.cluster.local";
  expect(onlyAddress(first!)).toMatchObject({
    addr: { ip: { ip: { $case: "ipv4", value: 0x0a000001 } }, port: 8080 },
    weight: 10_000,
    metricLabels: {
      pod: "web-1",
      deployment: "web",
      serviceaccount: "web",
      control_plane_ns: "linkerd",
      pod_template_hash: "5d8f",
      zone_locality: "unknown",
    },
    tlsIdentity: { strategy: { $case: "dnsLikeIdentity", value: { name } }, serverName: { name } },
    protocolHint: { protocol: { $case: "h2" }, opaqueTransport: { inboundPort: 4143 } },
  });
});

test.each<[string, PodSpec, Partial<DestinationConfig>, object]>([
  ["an unmeshed pod", { isMeshed: false }, {}, { tlsIdentity: undefined, protocolHint: undefined }],
  [
    "a skipped inbound port",
    { annotations: { "config.linkerd.io/skip-inbound-ports": "8000-8090" } },
    {},
    { tlsIdentity: undefined, protocolHint: undefined },
  ],
  [
    "an opaque port",
    { annotations: { "config.linkerd.io/opaque-ports": "8080" } },
    { forceOpaqueTransport: false },
    { protocolHint: { protocol: { $case: "opaque" }, opaqueTransport: { inboundPort: 4143 } } },
  ],
  [
    "an opaque port by name",
    { annotations: { "config.linkerd.io/opaque-ports": "http" } },
    {},
    { protocolHint: { protocol: { $case: "opaque" } } },
  ],
  [
    "transparent transport",
    {},
    { forceOpaqueTransport: false },
    { protocolHint: { protocol: { $case: "h2" }, opaqueTransport: undefined } },
  ],
  ["no upgrade", {}, { enableH2Upgrade: false, forceOpaqueTransport: false }, { protocolHint: undefined }],
  ["no trust domain", {}, { trustDomain: "" }, { tlsIdentity: undefined, protocolHint: { protocol: { $case: "h2" } } }],
  [
    "another control plane",
    {},
    { controlPlaneNs: "mesh" },
    { tlsIdentity: undefined, protocolHint: { protocol: { $case: "h2" } } },
  ],
  [
    "the proxy's own port",
    { env: [{ name: "LINKERD2_PROXY_ADMIN_LISTEN_ADDR", value: "0.0.0.0:8080" }] },
    {},
    { protocolHint: { opaqueTransport: undefined } },
  ],
])("translation of %s", async (_, spec, config, wanted) => {
  const { get } = await start((api) => {
    shop(api);
    api.put("pods", pod("web-1", spec));
  }, config);
  const [first] = await get(`${WEB}:80`).wait(1);
  expect(onlyAddress(first!)).toMatchObject(wanted);
});

test("updates are the least that is needed: Add, Remove, none, and unknown when the service goes", async () => {
  const { api, get } = await start(shop);
  const stream = get(`${WEB}:80`);
  await stream.wait(1);
  api.put("endpointslices", slice({ "web-1": {}, "web-2": {} }));
  await stream.wait(2);
  api.put("endpointslices", slice({ "web-2": {} }));
  await stream.wait(3);
  api.put("endpointslices", slice({ "web-2": { ready: false } }));
  await stream.wait(5);
  api.put("endpointslices", slice({ "web-1": {} }));
  await stream.wait(6);
  api.remove("services", "web", "shop");
  await stream.wait(8);
  expect(stream.messages.map(line)).toEqual([
    "add 10.0.0.1:8080",
    "add 10.0.0.2:8080",
    "remove 10.0.0.1:8080",
    "remove 10.0.0.2:8080",
    "none",
    "add 10.0.0.1:8080",
    "remove 10.0.0.1:8080",
    "unknown",
  ]);
});

test("a pod's change is sent again only when it shows", async () => {
  const { api, get } = await start(shop);
  const stream = get(`${WEB}:80`);
  await stream.wait(1);
  api.put("pods", pod("web-1", { annotations: { "example.com/irrelevant": "x" } }));
  api.put("pods", pod("web-1", { annotations: { "config.linkerd.io/opaque-ports": "8080" } }));
  await stream.wait(2);
  expect(onlyAddress(stream.messages[1]!).protocolHint?.protocol?.$case).toBe("opaque");
  expect(stream.messages).toHaveLength(2);
});

test("a Server makes a port opaque, for endpoints and for the pod's own profile", async () => {
  const { api, get, getProfile } = await start(shop);
  const endpoints = get(`${WEB}:80`);
  const profile = getProfile("10.0.0.1:8080");
  await endpoints.wait(1);
  await profile.wait(1);
  const spec = { podSelector: { matchLabels: { app: "web" } }, port: "http", proxyProtocol: "opaque" };
  api.put("servers", { metadata: { name: "s", namespace: "shop" }, spec });
  await endpoints.wait(2);
  expect(onlyAddress(endpoints.messages[1]!).protocolHint?.protocol?.$case).toBe("opaque");
  expect((await profile.wait(2)).map((message) => message.opaqueProtocol)).toEqual([false, true]);
});

test("a service without endpoints says so at once", async () => {
  const { get } = await start((api) => {
    shop(api);
    api.put("services", service("empty", { clusterIP: "None", clusterIPs: ["None"] }));
  });
  expect((await get("empty.shop.svc.cluster.local:80").wait(1)).map(line)).toEqual(["none"]);
});

test("ports: by the service's name for it, as given when undefined, none when the slice has no such name", async () => {
  const { get } = await start(shop);
  expect((await get(`${WEB}:80`).wait(1)).map(line)).toEqual(["add 10.0.0.1:8080"]);
  expect((await get(`${WEB}:1234`).wait(1)).map(line)).toEqual(["add 10.0.0.1:1234"]);
  expect((await get(`${WEB}:90`).wait(1)).map(line)).toEqual(["none"]);
});

test.each([
  ["unknown.shop.svc.cluster.local:80", /^NOT_FOUND/],
  ["web.shop:80", /^INVALID_ARGUMENT/],
  ["web.shop.svc.cluster.local.:80", /^INVALID_ARGUMENT/],
  ["web.shop.svc.other.domain:80", /^INVALID_ARGUMENT/],
  [`${WEB}:0`, /^INVALID_ARGUMENT/],
  [`${WEB}:99999`, /^INVALID_ARGUMENT/],
  ["10.0.0.1:80", /^INVALID_ARGUMENT/],
  ["named.shop.svc.cluster.local:80", /^INVALID_ARGUMENT .*ExternalName/],
])("Get of %s ends with %p", async (path, status) => {
  const { get } = await start((api) => {
    shop(api);
    api.put("services", service("named", { type: "ExternalName", clusterIPs: undefined }));
  });
  expect(await get(path).ended()).toMatch(status);
});

test("zone hints choose endpoints when all have them and some fit", async () => {
  const { api, get } = await start((cluster) => {
    shop(cluster);
    cluster.put("endpointslices", slice({ "web-1": { zone: "a", hint: "a" }, "web-2": { zone: "b", hint: "b" } }));
    cluster.put("nodes", { metadata: { name: "n-c", labels: { "topology.kubernetes.io/zone": "c" } } });
  });
  const inA = get(`${WEB}:80`, { nodeName: "n-a" });
  const inC = get(`${WEB}:80`, { nodeName: "n-c" });
  const nowhere = get(`${WEB}:80`);
  expect(onlyAddress((await inA.wait(1))[0]!).metricLabels).toMatchObject({ zone: "a", zone_locality: "local" });
  expect((await inC.wait(1)).map(line)).toEqual(["add 10.0.0.1:8080 10.0.0.2:8080"]);
  expect((await nowhere.wait(1)).map(line)).toEqual(["add 10.0.0.1:8080 10.0.0.2:8080"]);
  api.put("endpointslices", slice({ "web-1": { zone: "a", hint: "a" }, "web-2": { zone: "b" } }));
  expect((await inA.wait(2)).map(line)).toEqual(["add 10.0.0.1:8080", "add 10.0.0.2:8080"]);
});

test("a Local traffic policy keeps clients on their node, and takes effect on open streams", async () => {
  const { api, get } = await start((cluster) => {
    shop(cluster);
    cluster.put("pods", pod("web-2", { node: "n2" }));
    cluster.put("endpointslices", slice({ "web-1": {}, "web-2": {} }));
  });
  const onN2 = get(`${WEB}:80`, { nodeName: "n2" });
  await onN2.wait(1);
  api.put("services", service("web", { internalTrafficPolicy: "Local" }));
  await onN2.wait(2);
  const onN3 = get(`${WEB}:80`, { nodeName: "n3" });
  expect((await onN3.wait(1)).map(line)).toEqual(["none"]);
  expect(onN2.messages.map(line)).toEqual(["add 10.0.0.1:8080 10.0.0.2:8080", "remove 10.0.0.1:8080"]);
});

test("a host name reaches its own endpoint, by Get and by GetProfile", async () => {
  const { get, getProfile } = await start((api) => {
    shop(api);
    api.put("endpointslices", slice({ "web-1": { hostname: "web-1" }, "web-2": { hostname: "web-2" } }));
  });
  expect((await get(`web-2.${WEB}:80`).wait(1)).map(line)).toEqual(["add 10.0.0.2:8080"]);
  const [profile] = await getProfile(`web-1.${WEB}:80`).wait(1);
  expect(profile?.endpoint && address(profile.endpoint)).toBe("10.0.0.1:8080");
  expect(profile?.endpoint?.tlsIdentity).toBeDefined();
  expect(await getProfile(`web-9.${WEB}:80`).ended()).toStartWith("NOT_FOUND");
});

test("addresses without a pod, and pods that are not known, are told apart", async () => {
  const { get } = await start((api) => {
    shop(api);
    api.put("endpointslices", slice({ "bare-7": {}, "gone-9": {} }));
  });
  const [first] = await get(`${WEB}:80`).wait(1);
  expect(line(first!)).toBe("add 10.0.0.7:8080");
  expect(onlyAddress(first!)).toMatchObject({ tlsIdentity: undefined, protocolHint: undefined });
});

test("IPv6 is left out unless enabled, and is then preferred for the same pod", async () => {
  const fill = (api: KubeApi) => {
    shop(api);
    api.put("endpointslices", slice({ "web-1": { address: "fd00::1" } }, "web-6", { addressType: "IPv6" }));
  };
  const without = await start(fill);
  expect((await without.get(`${WEB}:80`).wait(1)).map(line)).toEqual(["add 10.0.0.1:8080"]);
  const both = await start(fill, { enableIpv6: true });
  expect((await both.get(`${WEB}:80`).wait(1)).map(line)).toEqual(["add [fd00000000000000…1]:8080"]);
});

test("a service's profile names it, and follows ServiceProfiles of server and client", async () => {
  const { api, getProfile } = await start(shop);
  const stream = getProfile(`${WEB}:80`, { ns: "client" });
  const [first] = await stream.wait(1);
  expect(first).toMatchObject({
    fullyQualifiedName: WEB,
    opaqueProtocol: false,
    retryBudget: { minRetriesPerSecond: 10, ttl: { seconds: 10n, nanos: 0 } },
    parentRef: { kind: { value: { group: "core", kind: "Service", name: "web", namespace: "shop", port: 80 } } },
  });
  const route = (name: string, more: object = {}) => ({ name, condition: { method: "GET", pathRegex: "/a" }, ...more });
  const profile = (namespace: string, spec: object) =>
    api.put("serviceprofiles", { metadata: { name: WEB, namespace }, spec });
  profile("shop", {
    routes: [route("server", { timeout: "1m30s", isRetryable: true })],
    dstOverrides: [{ authority: "x.y", weight: "500m" }],
  });
  const server = (await stream.wait(2))[1]!;
  expect(server.routes).toMatchObject([
    {
      condition: { match: { $case: "all" } },
      metricsLabels: { route: "server" },
      isRetryable: true,
      timeout: { seconds: 90n, nanos: 0 },
    },
  ]);
  expect(server.dstOverrides).toMatchObject([{ authority: "x.y:80", weight: 5_000 }]);
  profile("client", { routes: [route("client")] });
  expect((await stream.wait(3))[2]!.routes[0]!.metricsLabels).toEqual({ route: "client" });
  profile("client", { routes: [{ name: "broken", condition: {} }] });
  profile("client", { routes: [route("again")] });
  expect((await stream.wait(4))[3]!.routes[0]!.metricsLabels).toEqual({ route: "again" });
  api.remove("serviceprofiles", WEB, "client");
  expect((await stream.wait(5))[4]!.routes[0]!.metricsLabels).toEqual({ route: "server" });
});

test("a profile's opaque flag follows the service's annotation, else the default list", async () => {
  const { api, getProfile } = await start((cluster) => {
    shop(cluster);
    cluster.put("services", service("db", { ports: [{ port: 3306 }], clusterIPs: ["10.96.0.6"] }));
  });
  const stream = getProfile("10.96.0.6:3306");
  expect((await stream.wait(1))[0]).toMatchObject({
    fullyQualifiedName: "db.shop.svc.cluster.local",
    opaqueProtocol: true,
  });
  const annotations = { "config.linkerd.io/opaque-ports": "" };
  api.put("services", service("db", { ports: [{ port: 3306 }], clusterIPs: ["10.96.0.6"] }, annotations));
  expect((await stream.wait(2))[1]!.opaqueProtocol).toBe(false);
});

test("a port the service does not define gets an empty profile until it does", async () => {
  const { api, getProfile } = await start(shop);
  const stream = getProfile("10.96.0.5:81");
  expect((await stream.wait(1))[0]).toMatchObject({
    fullyQualifiedName: "",
    retryBudget: undefined,
    parentRef: undefined,
  });
  api.put("services", service("web", { ports: [{ port: 81 }] }));
  expect((await stream.wait(2))[1]!.fullyQualifiedName).toBe(WEB);
});

test("a pod's address gives its endpoint; another address only itself", async () => {
  const { getProfile } = await start(shop);
  const [own] = await getProfile("10.0.0.1:8080").wait(1);
  expect(own).toMatchObject({
    fullyQualifiedName: "",
    parentRef: undefined,
    endpoint: {
      metricLabels: { namespace: "shop", pod: "web-1" },
      protocolHint: { opaqueTransport: { inboundPort: 4143 } },
    },
  });
  const [other] = await getProfile("203.0.113.7:3306").wait(1);
  expect(other).toMatchObject({ opaqueProtocol: true, endpoint: { tlsIdentity: undefined, metricLabels: {} } });
});

test("a node's port leads to the pod behind it", async () => {
  const { getProfile } = await start((api) => {
    api.put("pods", pod("web-1"));
  });
  const [profile] = await getProfile("192.168.0.1:30080").wait(1);
  expect(address(profile!.endpoint!)).toBe("192.168.0.1:30080");
  expect(profile?.endpoint?.tlsIdentity).toBeDefined();
});

test("an address passes from a finished pod to a new one", async () => {
  const { api, getProfile } = await start(shop);
  const stream = getProfile("10.0.0.1:8080");
  await stream.wait(1);
  api.put("pods", pod("web-1", { phase: "Succeeded" }));
  await stream.wait(2);
  const next = pod("next-1");
  api.put("pods", next);
  const pods = (await stream.wait(3)).map((profile) => profile.endpoint?.metricLabels["pod"]);
  expect(pods).toEqual(["web-1", undefined, "next-1"]);
});

test("an address of several pods, or of several services, is refused", async () => {
  const { getProfile } = await start((api) => {
    shop(api);
    api.put("pods", { ...pod("twin-1") });
    api.put("services", service("twin"));
  });
  expect(await getProfile("10.0.0.1:80").ended()).toMatch(/^FAILED_PRECONDITION Several pods .*shop\/web-1/);
  expect(await getProfile("10.96.0.5:80").ended()).toStartWith("FAILED_PRECONDITION Several services");
});

test("when a service goes, its address's profile ends in peace, and asking again gives the bare address", async () => {
  const { api, getProfile } = await start(shop);
  const stream = getProfile("10.96.0.5:80");
  await stream.wait(1);
  api.remove("services", "web", "shop");
  expect(await stream.ended()).toBe("OK");
  const [again] = await getProfile("10.96.0.5:80").wait(1);
  expect(again?.fullyQualifiedName).toBe("");
  expect(await getProfile(`${WEB}:80`).ended()).toStartWith("NOT_FOUND");
});

test("one topic serves all who ask the same, and is forgotten with the last of them", async () => {
  const { api, program, get } = await start(shop);
  const streams = Array.from({ length: 20 }, () => get(`${WEB}:80`));
  await Promise.all(streams.map((stream) => stream.wait(1)));
  expect([program.service.endpoints.size, program.service.endpoints.subscriberCount]).toEqual([1, 20]);
  api.put("endpointslices", slice({ "web-2": {} }));
  await Promise.all(streams.map((stream) => stream.wait(3)));
  for (const stream of streams) stream.cancel();
  await until(() => program.service.endpoints.size === 0);
});

test("the periodic comparison repairs what an event had missed", async () => {
  const { api, program, get } = await start(shop);
  const stream = get(`${WEB}:80`);
  await stream.wait(1);
  program.service.endpoints.touch = () => {}; // events are lost from here on
  api.put("endpointslices", slice({ "web-2": {} }));
  await until(() => {
    program.service.endpoints.repairTurn();
    return stream.messages.length >= 3;
  });
  expect(stream.messages.map(line)).toEqual(["add 10.0.0.1:8080", "add 10.0.0.2:8080", "remove 10.0.0.1:8080"]);
  expect(program.service.endpoints.repairCount).toBe(1);
});

test("stopping ends streams with OK", async () => {
  const { program, get } = await start(shop);
  const stream = get(`${WEB}:80`);
  await stream.wait(1);
  await program.stop();
  expect(await stream.ended()).toBe("OK");
});

test("readiness names what is missing until all is known", async () => {
  const { program } = await start(shop);
  const answer = await fetch(`http://127.0.0.1:${program.adminPort}/ready`);
  expect([answer.status, await answer.text()]).toEqual([200, "ok\n"]);
  const metrics = await (await fetch(`http://127.0.0.1:${program.adminPort}/metrics`)).text();
  expect(metrics).toMatch(/cache_size\{resource="pods"\} 2/);
});
