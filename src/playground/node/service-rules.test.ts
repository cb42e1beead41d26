import { expect, test } from "bun:test";
import type { Service } from "#kube/types";
import { renderRules, routesOf } from "./service-rules.ts";

const service = {
  metadata: { name: "s" },
  spec: { clusterIP: "10.96.1.1", ports: [{ name: "http", port: 80, nodePort: 30080 }] },
} as unknown as Service;
const slice = {
  addressType: "IPv4",
  endpoints: [
    { addresses: ["10.244.1.2"], conditions: { ready: true } },
    { addresses: ["10.244.1.1"], conditions: { ready: true } },
    { addresses: ["10.244.1.3"], conditions: { ready: false } },
  ],
  ports: [{ name: "http", port: 8080, protocol: "TCP" }],
};

test("only ready endpoints are routed to, each with the same share", () => {
  const routes = routesOf(service, [slice, slice]);
  expect(routes.map((route) => [route.address, route.port, route.targets])).toEqual([
    ["10.96.1.1", 80, ["10.244.1.1:8080", "10.244.1.2:8080"]],
    ["10.244.0.1", 30080, ["10.244.1.1:8080", "10.244.1.2:8080"]],
  ]);
  const rules = renderRules(routes.slice(0, 1))
    .split("\n")
    .filter((line) => line.includes("DNAT"));
  expect(rules).toEqual([
    "-A SVC -d 10.96.1.1/32 -p tcp --dport 80 -m statistic --mode random --probability 0.50000000 -j DNAT --to-destination 10.244.1.1:8080",
    "-A SVC -d 10.96.1.1/32 -p tcp --dport 80 -j DNAT --to-destination 10.244.1.2:8080",
  ]);
});

test("headless Services have no rules", () => {
  expect(
    routesOf({ metadata: { name: "h" }, spec: { clusterIP: "None", ports: [{ port: 80 }] } } as unknown as Service, [
      slice,
    ]),
  ).toEqual([]);
});
