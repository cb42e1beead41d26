import { expect, test } from "bun:test";
import { createCsr, generateCsrKeys } from "./csr.ts";

const NAME = "web.shop.serviceaccount.identity.linkerd.cluster.local";
const keys = await generateCsrKeys();

function openssl(der: Uint8Array): { text: string; verdict: string } {
  const run = Bun.spawnSync(["openssl", "req", "-inform", "DER", "-verify", "-noout", "-text"], { stdin: der });
  expect(run.exitCode).toBe(0);
  return { text: run.stdout.toString(), verdict: run.stderr.toString() };
}

test("OpenSSL verifies the request and finds the name in it", async () => {
  const { text, verdict } = openssl(await createCsr(NAME, keys));
  expect(verdict).toMatch(/self-signature verify OK|verify OK/);
  expect(text).toMatch(new RegExp(`Subject: CN ?= ?${NAME}`));
  expect(text).toContain(`DNS:${NAME}`);
  expect(text).toContain("ASN1 OID: prime256v1");
  expect(text).toContain("Signature Algorithm: ecdsa-with-SHA256");
});

test("a name beyond 64 characters leaves the subject empty", async () => {
  const long = `${"a".repeat(60)}.${NAME}`;
  const { text } = openssl(await createCsr(long, keys));
  expect(text).toMatch(/Subject:\s*\n/);
  expect(text).toContain(`DNS:${long}`);
});

test("a changed byte breaks the signature", async () => {
  const der = Buffer.from(await createCsr(NAME, keys));
  der[der.indexOf("web.shop")] ^= 1;
  const run = Bun.spawnSync(["openssl", "req", "-inform", "DER", "-verify", "-noout"], { stdin: der });
  expect(run.stderr.toString()).toMatch(/fail/i);
});

test("keys of another kind and names that are none are refused", async () => {
  const p384 = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-384" }, true, ["sign", "verify"]);
  const ed25519 = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
  await expect(createCsr(NAME, p384)).rejects.toThrow("the key is P-384, not ECDSA P-256");
  await expect(createCsr(NAME, ed25519)).rejects.toThrow("the key is Ed25519, not ECDSA P-256");
  await expect(createCsr("a b", keys)).rejects.toThrow("not a DNS name");
  await expect(createCsr("", keys)).rejects.toThrow("not a DNS name");
});
