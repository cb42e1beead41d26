import { expect, test } from "bun:test";
import { RequestHead } from "#message";
import { IpNetwork, parseIp } from "#net/address";
import type { Authz, Server } from "#proto/inbound";
import { authorize } from "../authorize/authorization.ts";
import { compileServer, defaultPolicy } from "./compile.ts";

const anywhere = { ip: { ip: { $case: "ipv4" as const, value: 0 } }, prefixLen: 0 };
const open: Authz = {
  networks: [{ net: anywhere, except: [] }],
  authentication: { permit: { $case: "unauthenticated", value: {} } },
  labels: {},
  metadata: { kind: { $case: "default", value: "open" } },
};
const server = (extra: Partial<Server>): Server => ({
  protocol: { kind: { $case: "opaque", value: {} } },
  serverIps: [],
  authorizations: [],
  labels: { group: "policy.linkerd.io", kind: "server", name: "web" },
  ...extra,
});
const unmeshed = (ip: string) => ({ ip: parseIp(ip)!, isTls: false, id: undefined });

test("localhost is always allowed, others only by a grant", () => {
  const policy = compileServer(server({}));
  expect(authorize(policy.grants, unmeshed("127.0.0.1"))?.meta.name).toBe("localhost");
  expect(authorize(policy.grants, unmeshed("10.0.0.1"))).toBeUndefined();
  expect(authorize(compileServer(server({ authorizations: [open] })).grants, unmeshed("10.0.0.1"))?.meta.name).toBe(
    "open",
  );
});

test("HTTP without routes has one that takes everything; opaque has none", () => {
  const http = compileServer(
    server({ protocol: { kind: { $case: "http1", value: { routes: [], localRateLimit: undefined } } } }),
  );
  expect(http.routes.find(new RequestHead())?.route.name).toBe("default");
  expect(compileServer(server({})).routes.find(new RequestHead())).toBeUndefined();
});

test("what cannot be followed refuses everything, localhost too", () => {
  for (const broken of [
    server({ protocol: undefined }),
    server({ labels: {} }),
    server({ authorizations: [{ ...open, networks: [] }] }),
    server({ authorizations: [{ ...open, authentication: undefined }] }),
  ]) {
    const policy = compileServer(broken);
    expect(policy.invalid).toStartWith("invalid server policy: ");
    expect(policy.grants).toEqual([]);
  }
});

test("default policies by name", () => {
  const cluster = [IpNetwork.parse("10.0.0.0/8")!];
  const allows = (name: Parameters<typeof defaultPolicy>[0], client: Parameters<typeof authorize>[1]) =>
    authorize(defaultPolicy(name, cluster, 10_000, false).grants, client) !== undefined;
  const meshed = { ip: parseIp("10.0.0.1")!, isTls: true, id: "web.shop" };
  expect(allows("all-unauthenticated", unmeshed("8.8.8.8"))).toBe(true);
  expect(allows("cluster-unauthenticated", unmeshed("8.8.8.8"))).toBe(false);
  expect(allows("cluster-unauthenticated", unmeshed("10.0.0.1"))).toBe(true);
  expect(allows("all-authenticated", unmeshed("10.0.0.1"))).toBe(false);
  expect(allows("all-authenticated", meshed)).toBe(true);
  expect(allows("deny", meshed)).toBe(false);
  expect(defaultPolicy("all-unauthenticated", cluster, 10_000, true).protocol).toBe("opaque");
});
