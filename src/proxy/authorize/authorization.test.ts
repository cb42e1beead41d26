import { expect, test } from "bun:test";
import { IpNetwork, parseIp } from "#net/address";
import { type Authentication, type Authorization, authorize, type InboundClient } from "./authorization.ts";

const META = { group: "", kind: "default", name: "test" };
const NETWORK = { network: IpNetwork.parse("10.0.0.0/8")!, except: [IpNetwork.parse("10.9.0.0/16")!] };

function check(authentication: Authentication, client: Partial<InboundClient> & { from?: string }): boolean {
  const grants: Authorization[] = [{ networks: [NETWORK], authentication, meta: META }];
  return (
    authorize(grants, { ip: parseIp(client.from ?? "10.1.1.1")!, isTls: false, id: undefined, ...client }) !== undefined
  );
}

const web = "web.shop.serviceaccount.identity.linkerd.cluster.local";
const identity = (identities: string[], suffixes: string[] = []): Authentication => ({
  kind: "identity",
  identities: new Set(identities),
  suffixes,
});

test("a client must come from a network and not from its exception", () => {
  expect(check({ kind: "none" }, {})).toBe(true);
  expect(check({ kind: "none" }, { from: "11.1.1.1" })).toBe(false);
  expect(check({ kind: "none" }, { from: "10.9.3.4" })).toBe(false);
});

test("TLS without identity satisfies only what asks for TLS alone", () => {
  expect(check({ kind: "tls" }, {})).toBe(false);
  expect(check({ kind: "tls" }, { isTls: true })).toBe(true);
  expect(check(identity([], [""]), { isTls: true })).toBe(false);
});

test("identities match exactly, or by whole labels at the end", () => {
  expect(check(identity([web]), { isTls: true, id: web })).toBe(true);
  expect(check(identity([web]), { isTls: true, id: `x${web}` })).toBe(false);
  expect(check(identity([], [".shop.serviceaccount.identity.linkerd.cluster.local"]), { isTls: true, id: web })).toBe(
    true,
  );
  expect(check(identity([], [".hop.serviceaccount.identity.linkerd.cluster.local"]), { isTls: true, id: web })).toBe(
    false,
  );
  expect(check(identity([], [""]), { isTls: true, id: web })).toBe(true);
  expect(check(identity([], [""]), { isTls: true, id: "spiffe://a/b" })).toBe(false);
});

test("without grants everything is refused", () => {
  expect(authorize([], { ip: parseIp("127.0.0.1")!, isTls: true, id: web })).toBeUndefined();
});
