import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { silentLog } from "#lib/log";
import { parseTarget } from "./authority.ts";
import { parseContextToken } from "./context-token.ts";
import type { Address, AddressSet } from "./endpoints.ts";
import { PortSet } from "./port-set.ts";
import { translateProfile } from "./service-profile.ts";
import { tcpAddress } from "./tcp-address.ts";
import { Topics } from "./topics.ts";
import { changeUpdates, initialUpdates } from "./updates.ts";

test.each([
  ["web.shop.svc.cluster.local", { service: "web", namespace: "shop", hostname: undefined, port: 80 }],
  ["web.shop.svc.cluster.local:8080", { service: "web", namespace: "shop", hostname: undefined, port: 8080 }],
  ["web-0.web.shop.svc.cluster.local:1", { service: "web", namespace: "shop", hostname: "web-0", port: 1 }],
  ["10.0.0.1:80", { ip: "10.0.0.1", port: 80 }],
  ["[fd00:0::1]:443", { ip: "fd00::1", port: 443 }],
  ["[::ffff:10.0.0.1]", { ip: "10.0.0.1", port: 80 }],
])("parseTarget(%p) reads %p", (path, wanted) => {
  const { value } = parseTarget(path, "cluster.local");
  expect(
    value?.kind === "service" ? { ...value.name, port: value.port } : { ip: value?.ip, port: value?.port },
  ).toEqual(wanted as never);
});

test.each([
  "",
  ":80",
  "web:80",
  "web.shop.svc:80",
  "web.shop.svc.cluster.local.:80",
  "a.b.web.shop.svc.cluster.local",
  "web..svc.cluster.local",
  "web.shop.pod.cluster.local",
  "web.shop.svc.cluster.local:",
  "web.shop.svc.cluster.local:0",
  "web.shop.svc.cluster.local:65536",
  "web.shop.svc.cluster.local:80:80",
  "[fd00::1:443",
])("parseTarget(%p) is an error", (path) => {
  const { value, error } = parseTarget(path, "cluster.local");
  expect(value).toBeUndefined();
  expect(error).toContain("Cannot parse authority");
});

test.each([
  ['{"ns":"a","nodeName":"n","pod":"p"}', { namespace: "a", nodeName: "n", pod: "p" }],
  ['{"ns":5}', { namespace: undefined, nodeName: undefined, pod: undefined }],
  ["ns:a", { namespace: "a", nodeName: undefined, pod: undefined }],
  ["", { namespace: undefined, nodeName: undefined, pod: undefined }],
  ["null", { namespace: undefined, nodeName: undefined, pod: undefined }],
])("the context token %p is read as %p", (token, wanted) => {
  expect(parseContextToken(token)).toEqual(wanted);
});

test.each([
  ["25,587", [25, 587], [26]],
  [" 3306 - 3310 ,http", [3306, 3310, 8080], [3311]],
  ["x,70000,5-1,0,22", [22], [5, 0, 70000]],
  ["", [], [80]],
])("the port list %p holds %p and not %p", (list, inside, outside) => {
  const ports = PortSet.parse(list, (name) => (name === "http" ? 8080 : undefined));
  expect(inside.every((port) => ports.has(port))).toBe(true);
  expect(outside.some((port) => ports.has(port))).toBe(false);
});

const profile = (spec: object) => translateProfile({ metadata: { name: "x" }, spec }, 80);

test.each<[string, object, object]>([
  ["a path", { pathRegex: "/a" }, { $case: "path", value: { regex: "/a" } }],
  ["a known method", { method: "get" }, { $case: "method", value: { type: { $case: "registered", value: 0 } } }],
  [
    "another method",
    { method: "PURGE" },
    { $case: "method", value: { type: { $case: "unregistered", value: "PURGE" } } },
  ],
  ["several at once", { method: "GET", pathRegex: "/" }, { $case: "all", value: { matches: [{}, {}] } }],
  ["a negation", { not: { pathRegex: "/" } }, { $case: "not", value: { match: { $case: "path" } } }],
])("a request match of %s", (_, condition, wanted) => {
  expect(profile({ routes: [{ name: "r", condition }] }).value?.routes[0]?.condition?.match).toMatchObject(wanted);
});

test.each([
  [{ min: 500 }, [500, 500]],
  [{ max: 404 }, [404, 404]],
  [{ min: 500, max: 599 }, [500, 599]],
])("the status range %p is %p", (status, wanted) => {
  const responseClasses = [{ condition: { status }, isFailure: true }];
  const match = profile({ routes: [{ name: "r", condition: { pathRegex: "/" }, responseClasses }] }).value?.routes[0]
    ?.responseClasses[0];
  const value = match?.condition?.match?.$case === "status" ? match.condition.match.value : undefined;
  expect([value?.min, value?.max]).toEqual(wanted);
});

function nested(depth: number): object {
  return depth === 0 ? { pathRegex: "/" } : { all: [nested(depth - 1)] };
}

test.each<[string, object]>([
  ["an empty condition", { routes: [{ name: "r", condition: {} }] }],
  ["no condition", { routes: [{ name: "r" }] }],
  [
    "a status out of range",
    {
      routes: [{ name: "r", condition: { method: "GET" }, responseClasses: [{ condition: { status: { min: 99 } } }] }],
    },
  ],
  ["a condition nested too deeply", { routes: [{ name: "r", condition: nested(60) }] }],
  ["a retry budget without a duration", { retryBudget: { retryRatio: 0.1, minRetriesPerSecond: 1, ttl: "soon" } }],
  ["a weight that is no quantity", { dstOverrides: [{ authority: "a", weight: "heavy" }] }],
])("a profile with %s is refused as a whole", (_, spec) => {
  expect(profile(spec)).toMatchObject({ value: undefined, error: expect.stringContaining("Cannot") });
});

test("a route with a bad timeout is used without it, and says so", () => {
  const { value, warnings } = profile({ routes: [{ name: "r", condition: { method: "GET" }, timeout: "fast" }] });
  expect(value?.routes[0]?.timeout).toBeUndefined();
  expect(warnings[0]).toContain('Route "r" is used without its timeout');
});

test.each([
  ["1", 10_000],
  [1, 10_000],
  ["500m", 5_000],
  ["0.25", 2_500],
  ["1k", 10_000_000],
])("the weight %p is %p on the wire", (weight, wanted) => {
  expect(profile({ dstOverrides: [{ authority: "a:1", weight }] }).value?.dstOverrides).toEqual([
    { authority: "a:1", weight: wanted, backendRef: undefined },
  ]);
});

test("IPv6 addresses keep their halves in order", () => {
  const { ip } = tcpAddress("fd00::102", 1);
  expect(ip?.ip).toEqual({ $case: "ipv6", value: { first: 0xfd00n << 48n, last: 0x102n } });
});

function set(exists: boolean, contents: Record<string, string>): AddressSet {
  const addresses = new Map<string, Address>();
  for (const [key, content] of Object.entries(contents)) {
    const message = {
      addr: tcpAddress(key.split(":")[0]!, 80),
      weight: 1,
      metricLabels: {},
    } as unknown as Address["message"];
    addresses.set(key, { message, content });
  }
  return { addresses, exists };
}

test.each<[string, AddressSet, AddressSet, number]>([
  ["the same", set(true, { "10.0.0.1:80": "a" }), set(true, { "10.0.0.1:80": "a" }), 0],
  ["a changed endpoint", set(true, { "10.0.0.1:80": "a" }), set(true, { "10.0.0.1:80": "b" }), 1],
  ["an exchange", set(true, { "10.0.0.1:80": "a" }), set(true, { "10.0.0.2:80": "a" }), 2],
  ["the last one gone", set(true, { "10.0.0.1:80": "a" }), set(true, {}), 2],
  ["still empty", set(true, {}), set(true, {}), 0],
  ["empty and now deleted", set(true, {}), set(false, {}), 1],
])("%s takes as many messages as needed", (_, before, after, count) => {
  expect(changeUpdates(before, after, {})).toHaveLength(count);
  expect(initialUpdates(after, {})).toHaveLength(1);
});

test("changes of one moment refresh a topic once, and forgotten topics not at all", () => {
  const clock = new FakeClock();
  const topics = new Topics<{ subscriberCount: number; refresh(): number }>(clock, silentLog);
  let refreshCount = 0;
  const topic = { subscriberCount: 1, refresh: () => ++refreshCount };
  const open = () => topics.open("t", ["service shop/web", "namespace shop"], () => topic);
  expect(open()).toBe(open());
  topics.touch("service shop/web");
  topics.touch("namespace shop");
  topics.touch("service shop/other");
  clock.advance(10);
  expect(refreshCount).toBe(1);
  topics.closeIfUnused("t");
  expect(topics.size).toBe(1);
  topic.subscriberCount = 0;
  topics.touch("service shop/web");
  topics.closeIfUnused("t");
  clock.advance(10);
  expect([topics.size, refreshCount]).toEqual([0, 1]);
});

test("a topic that cannot be computed holds up no other", () => {
  const topics = new Topics<{ subscriberCount: number; refresh(): number }>(new FakeClock(), silentLog);
  const refreshed: string[] = [];
  const make = (name: string) => ({
    subscriberCount: 1,
    refresh: () => {
      if (name === "bad") throw new Error("unexpected object");
      return refreshed.push(name);
    },
  });
  for (const name of ["bad", "good"]) topics.open(name, ["service shop/web"], () => make(name));
  topics.touch("service shop/web");
  topics.flush();
  expect(refreshed).toEqual(["good"]);
});

test("every topic is compared once in ten turns, and only differences count as repairs", () => {
  const topics = new Topics<{ subscriberCount: number; refresh(): number }>(new FakeClock(), silentLog);
  const counts = Array.from({ length: 25 }, () => 0);
  const refresh = (index: number) => {
    counts[index]!++;
    return index === 7 ? 1 : 0;
  };
  for (const index of counts.keys()) {
    topics.open(`t${index}`, [], () => ({ subscriberCount: 1, refresh: () => refresh(index) }));
  }
  for (let turn = 0; turn < 10; turn++) topics.repairTurn();
  expect(counts).toEqual(counts.map(() => 1));
  expect(topics.repairCount).toBe(1);
});
