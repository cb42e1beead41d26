import { afterEach, expect, test } from "bun:test";
import { CliBench } from "../../../test/support/cli.ts";
import { KubeApi } from "../../../test/support/kube-api.ts";

const benches: CliBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.close();
});

const GROUP = "policy.linkerd.io";

async function shop(): Promise<CliBench> {
  const api = await KubeApi.start();
  const bench = new CliBench(api);
  benches.push(bench);
  const named = (name: string, more: object = {}) => ({ metadata: { name, namespace: "shop", ...more } });
  const containers = [{ name: "web", ports: [{ name: "http", containerPort: 8080 }] }];
  api.put("deployments", { ...named("web"), spec: { selector: { matchLabels: { app: "web" } } } });
  api.put("pods", { ...named("web-1", { labels: { app: "web" } }), spec: { containers } });
  const selector = { matchLabels: { app: "web" } };
  api.put("servers", {
    ...named("web-http", { labels: { tier: "front" } }),
    spec: { podSelector: selector, port: "http" },
  });
  api.put("servers", { ...named("web-admin"), spec: { podSelector: selector, port: 9999 } });
  api.put("serverauthorizations", {
    ...named("old"),
    spec: { server: { selector: { matchLabels: { tier: "front" } } }, client: {} },
  });
  const policy = (name: string, targetRef: object) =>
    api.put("authorizationpolicies", { ...named(name), spec: { targetRef, requiredAuthenticationRefs: [] } });
  policy("all", { kind: "Namespace", name: "shop" });
  policy("whole", { group: GROUP, kind: "Server", name: "web-http" });
  policy("routed", { group: GROUP, kind: "HTTPRoute", name: "books" });
  policy("elsewhere", { group: GROUP, kind: "Server", name: "other" });
  api.put("httproutes", {
    ...named("books"),
    spec: { parentRefs: [{ group: GROUP, kind: "Server", name: "web-http" }] },
  });
  return bench;
}

test("authz lists what lets clients in: on the server, for its namespace and on its routes", async () => {
  const bench = await shop();
  const { code, out } = await bench.run(["authz", "deploy/web"]);
  expect(code).toBe(0);
  expect(out.split("\n").map((line) => line.trim().split(/ +/))).toEqual([
    ["ROUTE", "SERVER", "AUTHORIZATION_POLICY", "SERVER_AUTHORIZATION"],
    ["*", "web-http", "old"],
    ["*", "web-http", "all"],
    ["*", "web-http", "whole"],
    ["books", "web-http", "routed"],
    [""],
  ]);
});

test("authz takes TYPE NAME too, and refuses what names no single object", async () => {
  const bench = await shop();
  expect((await bench.run(["authz", "po", "web-1"])).code).toBe(0);
  expect((await bench.run(["authz", "deploy"])).err).toContain("wanted one TYPE/NAME");
  expect((await bench.run(["authz", "deploy/none"])).err).toContain('deployment "none" not found');
});
