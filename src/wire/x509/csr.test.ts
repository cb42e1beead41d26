import { expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { createCsr } from "./csr.ts";

const NAME = "web.shop.serviceaccount.identity.linkerd.cluster.local";
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

function openssl(der: Uint8Array): { text: string; verdict: string } {
  const run = Bun.spawnSync(["openssl", "req", "-inform", "DER", "-verify", "-noout", "-text"], { stdin: der });
  expect(run.exitCode).toBe(0);
  return { text: run.stdout.toString(), verdict: run.stderr.toString() };
}

test("OpenSSL verifies the request and finds the name in it", () => {
  const { text, verdict } = openssl(createCsr(NAME, privateKey));
  expect(verdict).toMatch(/self-signature verify OK|verify OK/);
  expect(text).toMatch(new RegExp(`Subject: CN ?= ?${NAME}`));
  expect(text).toContain(`DNS:${NAME}`);
  expect(text).toContain("ASN1 OID: prime256v1");
  expect(text).toContain("Signature Algorithm: ecdsa-with-SHA256");
});

test("a name beyond 64 characters leaves the subject empty", () => {
  const long = `${"a".repeat(60)}.${NAME}`;
  const { text } = openssl(createCsr(long, privateKey));
  expect(text).toMatch(/Subject:\s*\n/);
  expect(text).toContain(`DNS:${long}`);
});

test("a changed byte breaks the signature", () => {
  const der = Buffer.from(createCsr(NAME, privateKey));
  der[der.indexOf("web.shop")] ^= 1;
  const run = Bun.spawnSync(["openssl", "req", "-inform", "DER", "-verify", "-noout"], { stdin: der });
  expect(run.stderr.toString()).toMatch(/fail/i);
});

test("keys of another kind and names that are none are refused", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  expect(() => createCsr(NAME, rsa)).toThrow("not ECDSA P-256");
  expect(() => createCsr("a b", privateKey)).toThrow("not a DNS name");
  expect(() => createCsr("", privateKey)).toThrow("not a DNS name");
});
