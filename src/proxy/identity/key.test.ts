import { afterAll, expect, test } from "bun:test";
import { createPrivateKey } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatePrivateKey } from "#x509";
import { loadOrMakeKey } from "./key.ts";

const NAME = "web.shop.serviceaccount.identity.linkerd.cluster.local";
const root = mkdtempSync(join(tmpdir(), "identity-key-"));
afterAll(() => rmSync(root, { recursive: true }));

function directory(): string {
  return mkdtempSync(join(root, "dir-"));
}

test("a key is made, kept for its owner only, and taken again", async () => {
  const dir = directory();
  const made = await loadOrMakeKey(dir, NAME);
  expect(createPrivateKey(made.keyPem).asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
  for (const file of ["key.p8", "csr.der"]) expect(statSync(join(dir, file)).mode & 0o777).toBe(0o600);
  const taken = await loadOrMakeKey(dir, "another.name");
  expect(taken.keyPem).toBe(made.keyPem);
  expect(Buffer.from(taken.csr).equals(made.csr)).toBe(true);
});

test("an older file does not keep a mode that lets others read", async () => {
  const dir = directory();
  writeFileSync(join(dir, "key.p8"), "", { mode: 0o644 });
  const { keyPem } = await loadOrMakeKey(dir, NAME); // without a request the key is no helper's
  expect(statSync(join(dir, "key.p8")).mode & 0o777).toBe(0o600);
  expect(createPrivateKey(keyPem).export({ type: "pkcs8", format: "der" })).toEqual(readFileSync(join(dir, "key.p8")));
});

test("without a directory the key stays in memory", async () => {
  const dir = join(directory(), "none");
  expect((await loadOrMakeKey(dir, NAME)).keyPem).toStartWith("-----BEGIN PRIVATE KEY-----\n");
  expect(existsSync(dir)).toBe(false);
});

test("a helper's key is taken as it is", async () => {
  const dir = directory();
  const key = generatePrivateKey("P-256");
  writeFileSync(join(dir, "key.p8"), key.export({ type: "pkcs8", format: "der" }));
  writeFileSync(join(dir, "csr.der"), "request");
  const { keyPem, csr } = await loadOrMakeKey(dir, NAME);
  expect(createPrivateKey(keyPem).equals(key)).toBe(true);
  expect(Buffer.from(csr).toString()).toBe("request");
});

test.each([
  ["of P-384", generatePrivateKey("P-384").export({ type: "pkcs8", format: "der" })],
  ["of RSA", generatePrivateKey("RSA-2048").export({ type: "pkcs8", format: "der" })],
  ["in PEM", Buffer.from(generatePrivateKey("P-256").export({ type: "pkcs8", format: "pem" }))],
  ["that is none", Buffer.alloc(0)],
])("a helper's key %s is refused by its path", async (_what, bytes) => {
  const dir = directory();
  writeFileSync(join(dir, "key.p8"), bytes);
  writeFileSync(join(dir, "csr.der"), "request");
  await expect(loadOrMakeKey(dir, NAME)).rejects.toThrow(
    `Cannot use the key in "${join(dir, "key.p8")}": wanted an ECDSA P-256 key as PKCS#8 in DER`,
  );
});
