import "reflect-metadata";
import { expect, test } from "bun:test";
import * as x509 from "@peculiar/x509";
import {
  Authority,
  createRootCa,
  generatePrivateKey,
  issueIntermediateCa,
  issueServingCertificate,
  KEY_KINDS,
  parseCertificate,
  parseCertificates,
  parseCsr,
  publicKeyDer,
  verifyChain,
} from "./index.ts";
import { signingAlgorithm, toSigningKey } from "./keys.ts";

const NOW = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;
const ALICE = "alice.shop.serviceaccount.identity.linkerd.cluster.local";

async function csrDer(names: x509.JsonGeneralNames, subject = "", kind: (typeof KEY_KINDS)[number] = "P-256") {
  const key = generatePrivateKey(kind);
  const publicKey = await new x509.PublicKey(publicKeyDer(key)).export();
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: subject,
    keys: { privateKey: await toSigningKey(key), publicKey },
    signingAlgorithm: signingAlgorithm(kind),
    extensions: [new x509.SubjectAlternativeNameExtension(names)],
  });
  return new Uint8Array(csr.rawData);
}

test.each([...KEY_KINDS])(
  "a %s root signs an intermediate that signs a leaf, and the chain verifies",
  async (key) => {
    const root = await createRootCa({ name: "root", lifetimeMs: 365 * DAY, nowMs: NOW, key });
    const issuer = await issueIntermediateCa(root, {
      name: "issuer",
      lifetimeMs: 30 * DAY,
      nowMs: NOW,
      key,
      maxPathLength: 0,
    });
    const leafKey = generatePrivateKey("P-256");
    const authority = await Authority.load(issuer.certPem, issuer.keyPem);
    const der = authority.issueLeaf({
      publicKeyDer: publicKeyDer(leafKey),
      dnsNames: [ALICE],
      uris: ["spiffe://root/alice"],
      notBeforeMs: NOW,
      notAfterMs: NOW + DAY,
    });
    const leaf = parseCertificate(der);
    expect(leaf.dnsNames).toEqual([ALICE]);
    expect(leaf.uris).toEqual(["spiffe://root/alice"]);
    expect(leaf.isCa).toBe(false);
    expect(leaf.native.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    expect(leaf.native.checkIssued(issuer.certificate.native)).toBe(true);
    expect(leaf.notAfterMs).toBe(NOW + DAY);
    const question = { certificate: leaf, intermediates: [issuer.certificate], roots: [root.certificate], nowMs: NOW };
    expect(verifyChain(question)).toEqual({ path: [leaf, issuer.certificate, root.certificate], error: undefined });
    expect(verifyChain({ ...question, nowMs: NOW + 2 * DAY }).error).toContain("expired");
    expect(verifyChain({ ...question, nowMs: NOW - DAY }).error).toContain("not valid before");
    expect(verifyChain({ ...question, intermediates: [] }).error).toContain("no trust root");
  },
  30_000,
); // two RSA keys of 4096 bits take seconds where cores are shared

test("a root of the same name with another key is not trusted", async () => {
  const options = { name: "root", lifetimeMs: 365 * DAY, nowMs: NOW };
  const [root, twin] = [await createRootCa(options), await createRootCa(options)];
  const leaf = await issueServingCertificate(root, { dnsNames: ["web.linkerd.svc"], lifetimeMs: DAY, nowMs: NOW });
  const question = { certificate: leaf.certificate, intermediates: [], nowMs: NOW };
  expect(verifyChain({ ...question, roots: [twin.certificate] }).path).toBeUndefined();
  expect(verifyChain({ ...question, roots: [twin.certificate, root.certificate] }).path).toHaveLength(2);
});

test("a leaf cannot act as an issuer, and a path length of zero forbids CAs below", async () => {
  const root = await createRootCa({ name: "root", lifetimeMs: DAY, nowMs: NOW, maxPathLength: 0 });
  const leaf = await issueServingCertificate(root, { dnsNames: ["a.svc"], lifetimeMs: DAY, nowMs: NOW });
  await expect(Authority.load(leaf.certPem, leaf.keyPem)).rejects.toThrow("not a CA");
  const below = await issueIntermediateCa(root, { name: "below", lifetimeMs: DAY, nowMs: NOW });
  const under = await issueServingCertificate(below, { dnsNames: ["b.svc"], lifetimeMs: DAY, nowMs: NOW });
  const question = {
    certificate: under.certificate,
    intermediates: [below.certificate],
    roots: [root.certificate],
    nowMs: NOW,
  };
  expect(verifyChain(question).error).toContain("path length");
});

test("an issuer's key must be its own", async () => {
  const options = { name: "root", lifetimeMs: DAY, nowMs: NOW };
  const [one, two] = [await createRootCa(options), await createRootCa(options)];
  await expect(Authority.load(one.certPem, two.keyPem)).rejects.toThrow("belongs to another certificate");
  await expect(Authority.load("", two.keyPem)).rejects.toThrow("no PEM certificate");
  await expect(Authority.load(one.certPem, "secret text")).rejects.toThrow(/^Cannot parse private key: wanted/);
});

test("a chain file keeps its order", async () => {
  const root = await createRootCa({ name: "root", lifetimeMs: DAY, nowMs: NOW });
  const issuer = await issueIntermediateCa(root, { name: "issuer", lifetimeMs: DAY, nowMs: NOW });
  const leaf = await issueServingCertificate(issuer, { dnsNames: ["a.svc"], lifetimeMs: DAY, nowMs: NOW });
  expect(parseCertificates(leaf.certPem).map((certificate) => certificate.subject)).toEqual(["CN=a.svc", "CN=issuer"]);
});

test.each([...KEY_KINDS])("parseCsr() reads names of a %s request", async (kind) => {
  const { value, error } = await parseCsr(await csrDer([{ type: "dns", value: ALICE }], "CN=alice", kind));
  expect(error).toBeUndefined();
  expect(value).toMatchObject({
    commonName: "alice",
    hasOtherSubject: false,
    dnsNames: [ALICE],
    uris: [],
    otherNameCount: 0,
  });
  expect(value?.keyKind).toBe(kind);
});

test("parseCsr() counts names of other kinds", async () => {
  const names: x509.JsonGeneralNames = [
    { type: "ip", value: "10.0.0.1" },
    { type: "email", value: "a@b.c" },
    { type: "url", value: "spiffe://x/y" },
  ];
  const { value } = await parseCsr(await csrDer(names, "CN=a, O=b"));
  expect(value).toMatchObject({ otherNameCount: 2, uris: ["spiffe://x/y"], hasOtherSubject: true });
});

test("parseCsr() refuses a request whose signature does not match, and any cut or changed bytes", async () => {
  const der = await csrDer([{ type: "dns", value: ALICE }]);
  const forged = new Uint8Array(
    Buffer.from(Buffer.from(der).toString("latin1").replace("alice.shop", "mallo.shop"), "latin1"),
  );
  expect(forged.length).toBe(der.length);
  expect((await parseCsr(forged)).error).toContain("signature does not match");
  for (let length = 0; length < der.length; length += 7) {
    expect((await parseCsr(der.subarray(0, length))).value).toBeUndefined();
  }
  expect((await parseCsr(new Uint8Array(20_000))).error).toContain("20000 bytes");
});
