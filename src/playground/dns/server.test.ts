import { afterAll, expect, test } from "bun:test";
import { Resolver } from "node:dns/promises";
import type { EndpointSlice, Service } from "#kube/types";
import { silentLog } from "#lib/log";
import { RecordType, ResponseCode, readQuestion, writeAnswer } from "./message.ts";
import { serveDns } from "./server.ts";
import { answer, type ZoneObjects } from "./zone.ts";

const DOMAIN = "cluster.local";
const services = [
  {
    metadata: { name: "web", namespace: "shop" },
    spec: { clusterIP: "10.96.1.1", ports: [{ name: "http", port: 80 }] },
  },
  { metadata: { name: "flat", namespace: "shop" }, spec: { clusterIP: "None", ports: [{ name: "grpc", port: 8086 }] } },
  { metadata: { name: "none", namespace: "shop" }, spec: { clusterIP: "None" } },
  { metadata: { name: "away", namespace: "shop" }, spec: { type: "ExternalName", externalName: "example.org" } },
] as unknown as Service[];
const many = Array.from({ length: 60 }, (_, i) => ({ addresses: [`10.244.2.${i + 1}`], conditions: { ready: true } }));
const flat = {
  metadata: { name: "flat-1" },
  addressType: "IPv4",
  ports: [{ name: "grpc", port: 8086, protocol: "TCP" }],
  endpoints: [
    { addresses: ["10.244.1.1"], conditions: { ready: true } },
    { addresses: ["10.244.1.2"], conditions: { ready: true }, hostname: "db-0" },
    { addresses: ["10.244.1.3"], conditions: { ready: false } },
  ],
} as unknown as EndpointSlice;
const big = { ...flat, endpoints: many } as unknown as EndpointSlice;
const zone: ZoneObjects = {
  service: (namespace, name) =>
    name === "big"
      ? ({ ...services[1], metadata: { name, namespace } } as Service)
      : services.find((s) => s.metadata.name === name && s.metadata.namespace === namespace),
  services: () => services,
  slices: (_namespace, name) => (name === "flat" ? [flat] : name === "big" ? [big] : []),
  hasNamespace: (name) => name === "shop",
};

const server = await serveDns("127.0.0.1", 0, (name, type) => answer(zone, DOMAIN, name, type), silentLog);
const resolver = new Resolver();
resolver.setServers([`127.0.0.1:${server.port}`]);
afterAll(() => server.close());

test("Services, headless sets, hosts, pods and addresses resolve", async () => {
  expect(await resolver.resolve4("web.shop.svc.cluster.local")).toEqual(["10.96.1.1"]);
  expect((await resolver.resolve4("flat.shop.svc.cluster.local")).sort()).toEqual(["10.244.1.1", "10.244.1.2"]);
  expect(await resolver.resolve4("db-0.flat.shop.svc.cluster.local")).toEqual(["10.244.1.2"]);
  expect(await resolver.resolve4("10-244-1-1.flat.shop.svc.cluster.local")).toEqual(["10.244.1.1"]);
  expect(await resolver.resolve4("1-2-3-4.shop.pod.cluster.local")).toEqual(["1.2.3.4"]);
  expect(await resolver.reverse("10.96.1.1")).toEqual(["web.shop.svc.cluster.local"]);
});

test("SRV names the Service itself too, with targets that carry the address", async () => {
  const wanted = [
    { name: "10-244-1-1.flat.shop.svc.cluster.local", port: 8086, priority: 0, weight: 50 },
    { name: "db-0.flat.shop.svc.cluster.local", port: 8086, priority: 0, weight: 50 },
  ];
  expect(await resolver.resolveSrv("flat.shop.svc.cluster.local")).toEqual(wanted);
  expect(await resolver.resolveSrv("_grpc._tcp.flat.shop.svc.cluster.local")).toEqual(wanted);
  expect(await resolver.resolveSrv("_http._tcp.web.shop.svc.cluster.local")).toEqual([
    { name: "web.shop.svc.cluster.local", port: 80, priority: 0, weight: 100 },
  ]);
});

test("a name that does not exist is NXDOMAIN; one that exists without that type is empty", () => {
  const code = (name: string, type: number): number => answer(zone, DOMAIN, name, type).code;
  for (const name of [
    "nope.shop.svc.cluster.local",
    "web.other.svc.cluster.local",
    "none.shop.svc.cluster.local",
    "web.shop",
    "example.org",
    "x.y.z.web.shop.svc.cluster.local",
    "_no._tcp.web.shop.svc.cluster.local",
  ])
    expect([name, code(name, RecordType.A)]).toEqual([name, ResponseCode.nameError]);
  expect(answer(zone, DOMAIN, "web.shop.svc.cluster.local", RecordType.AAAA)).toEqual({
    code: ResponseCode.ok,
    answers: [],
    additional: [],
  });
});

test("an answer too long for UDP comes over TCP", async () => {
  expect(await resolver.resolve4("big.shop.svc.cluster.local")).toHaveLength(60);
});

test("bytes that are not a question get no answer and do no harm", () => {
  const good = Buffer.from("1234010000010000000000000377656203616263000001" + "0001", "hex");
  expect(readQuestion(good)).toMatchObject({ name: "web.abc", type: 1, maxBytes: 512 });
  for (let cut = 0; cut < good.length; cut++) expect(readQuestion(good.subarray(0, cut))).toBeUndefined();
  const pointer = Buffer.from(good);
  pointer[12] = 0xc0;
  expect(readQuestion(pointer)).toBeUndefined();
});

test("a negative answer may be remembered for one second only", () => {
  const question = readQuestion(Buffer.from("12340100000100000000000003776562036162630000010001", "hex"))!;
  const bytes = writeAnswer(question, { code: ResponseCode.nameError, answers: [], additional: [] }, 512);
  expect(Buffer.from(bytes.slice(-4)).readUInt32BE()).toBe(1);
  expect(bytes[3]! & 15).toBe(3);
});
