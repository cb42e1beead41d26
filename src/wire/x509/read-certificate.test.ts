import { afterAll, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { CA_EXTENSIONS, OPENSSL_KEYS, OpensslCa } from "../../../test/support/openssl-ca.ts";
import { contextConstructed, element, integer, objectId, octetString, sequence } from "./der.ts";
import { type CertificateFacts, mayHaveIssued, readCertificate } from "./read-certificate.ts";
import { isSignedBy } from "./signature.ts";

const NAME = "web.shop.serviceaccount.identity.linkerd.cluster.local";
const LEAF_EXTENSIONS = [
  "basicConstraints=critical,CA:false",
  "keyUsage=critical,digitalSignature",
  `subjectAltName=DNS:${NAME},DNS:Web.Shop,URI:spiffe://root/web,IP:10.0.0.1`,
];
const openssl = new OpensslCa();
afterAll(() => openssl.close());

const root = openssl.issue({ name: "root" });
const leaf = openssl.issue({ name: "web", issuer: root, extensions: LEAF_EXTENSIONS });

async function isIssuer(issuer: CertificateFacts, certificate: CertificateFacts): Promise<boolean> {
  return mayHaveIssued(issuer, certificate) && (await isSignedBy(certificate.signed, issuer.publicKeyDer));
}

test("a certificate of OpenSSL says who it is, for how long, and what it may", () => {
  const facts = readCertificate(leaf.der);
  expect(facts.dnsNames).toEqual([NAME, "Web.Shop"]);
  expect(facts).toMatchObject({ isCa: false, maySignCertificates: false });
  expect(Math.abs(facts.notBeforeMs - Date.now())).toBeLessThan(600_000);
  expect(facts.notAfterMs - facts.notBeforeMs).toBe(10 * 86_400_000);
  expect(readCertificate(root.der)).toMatchObject({ dnsNames: [], isCa: true, maySignCertificates: true });
});

test("the roots of the web are read as BoringSSL reads them", () => {
  for (const pem of rootCertificates) {
    const native = new X509Certificate(pem);
    expect(readCertificate(native.raw)).toMatchObject({
      notBeforeMs: native.validFromDate.getTime(),
      notAfterMs: native.validToDate.getTime(),
      isCa: native.ca,
      publicKeyDer: native.publicKey.export({ type: "spki", format: "der" }),
    });
  }
});

const keys = Object.keys(OPENSSL_KEYS) as (keyof typeof OPENSSL_KEYS)[];
const digests = ["sha256", "sha384", "sha512"] as const;

test.each(keys.flatMap((key) => digests.map((digest) => [key, digest] as const)))(
  "what a %s key signed with %s is verified, and one flipped bit is noticed",
  async (key, digest) => {
    const issuer = openssl.issue({ name: `ca-${key}-${digest}`, key });
    const { der } = openssl.issue({ name: "signed", issuer, digest, extensions: LEAF_EXTENSIONS });
    const facts = readCertificate(issuer.der);
    expect(await isIssuer(facts, readCertificate(der))).toBe(true);
    expect(await isIssuer(facts, facts)).toBe(true);
    const { signed } = readCertificate(der);
    expect(await isSignedBy(signed, readCertificate(root.der).publicKeyDer)).toBe(false);
    for (const part of ["signature", "content"] as const) {
      const bytes = new Uint8Array(signed[part]);
      for (const at of [0, 5, bytes.length >> 1, bytes.length - 1]) {
        const flipped = bytes.with(at, bytes[at]! ^ 1);
        expect(await isSignedBy({ ...signed, [part]: flipped }, facts.publicKeyDer)).toBe(false);
      }
    }
  },
  30_000,
);

test("a signature of another algorithm than the key's is not verified", async () => {
  const { signed, publicKeyDer } = readCertificate(root.der);
  const rsaSha256 = sequence(objectId([1, 2, 840, 113549, 1, 1, 11]));
  expect(await isSignedBy(signed, publicKeyDer)).toBe(true);
  expect(await isSignedBy({ ...signed, algorithm: rsaSha256 }, publicKeyDer)).toBe(false);
  expect(await isSignedBy({ ...signed, algorithm: sequence(objectId([1, 2, 3])) }, publicKeyDer)).toBe(false);
  expect(await isSignedBy({ ...signed, algorithm: new Uint8Array(0) }, publicKeyDer)).toBe(false);
  expect(await isSignedBy(signed, publicKeyDer.subarray(0, -1))).toBe(false);
});

test("an issuer must be a CA, may sign certificates, and has the name that the certificate says", () => {
  const named = (extensions: readonly string[], name = "root") =>
    readCertificate(openssl.issue({ name, extensions }).der);
  const certificate = readCertificate(leaf.der);
  expect(mayHaveIssued(named(CA_EXTENSIONS), certificate)).toBe(true);
  expect(mayHaveIssued(named(["basicConstraints=CA:true"]), certificate)).toBe(true);
  expect(mayHaveIssued(named(["basicConstraints=CA:true", "keyUsage=cRLSign"]), certificate)).toBe(false);
  expect(mayHaveIssued(named(["basicConstraints=CA:false"]), certificate)).toBe(false);
  expect(mayHaveIssued(named(["keyUsage=keyCertSign"]), certificate)).toBe(false);
  expect(mayHaveIssued(named(CA_EXTENSIONS, "Root"), certificate)).toBe(false);
});

test("a certificate cut at any byte, or with any byte more, is refused", () => {
  for (const { der } of [root, leaf]) {
    for (let length = 0; length < der.length; length++) {
      expect(() => readCertificate(der.subarray(0, length))).toThrow(RangeError);
    }
    expect(() => readCertificate(Buffer.concat([der, Buffer.of(0)]))).toThrow("1 bytes after the certificate");
  }
});

test("a certificate with any byte changed is read or refused, and never passes for what was signed", async () => {
  const issuer = readCertificate(root.der);
  for (let at = 0; at < leaf.der.length; at++) {
    let facts: CertificateFacts;
    try {
      facts = readCertificate(new Uint8Array(leaf.der).with(at, leaf.der[at]! ^ 0x41));
    } catch (cause) {
      expect(cause).toBeInstanceOf(RangeError);
      continue;
    }
    expect(await isIssuer(issuer, facts)).toBe(false);
  }
});

/** A certificate of hand-made parts; nothing is signed. */
function certificate(parts: { validity?: Uint8Array; extensions?: Uint8Array[]; outer?: Uint8Array }): Uint8Array {
  const algorithm = sequence(objectId([1, 3, 101, 112]));
  const validity = parts.validity ?? sequence(utcTime("260102030405Z"), utcTime("270102030405Z"));
  const content = sequence(
    contextConstructed(0, integer(2)),
    integer(1),
    algorithm,
    sequence(),
    validity,
    sequence(),
    sequence(),
    contextConstructed(3, sequence(...(parts.extensions ?? []))),
  );
  return sequence(content, parts.outer ?? algorithm, element(0x03, Uint8Array.of(0)));
}

function utcTime(text: string): Uint8Array {
  return element(0x17, Buffer.from(text));
}

function generalizedTime(text: string): Uint8Array {
  return element(0x18, Buffer.from(text));
}

test("years of two digits lie between 1950 and 2049", () => {
  const { notBeforeMs, notAfterMs } = readCertificate(
    certificate({ validity: sequence(utcTime("500101000000Z"), utcTime("491231235959Z")) }),
  );
  expect(notBeforeMs).toBe(Date.UTC(1950, 0, 1));
  expect(notAfterMs).toBe(Date.UTC(2049, 11, 31, 23, 59, 59));
  const far = sequence(utcTime("260101000000Z"), generalizedTime("99991231235959Z"));
  expect(readCertificate(certificate({ validity: far })).notAfterMs).toBe(Date.UTC(9999, 11, 31, 23, 59, 59));
});

test.each([
  utcTime("2601020304Z"),
  utcTime("260102030405+0100"),
  utcTime("260230000000Z"),
  utcTime("261301000000Z"),
  utcTime("260102240000Z"),
  utcTime(""),
  generalizedTime("20260102030405"),
  generalizedTime("20260102030405.5Z"),
  generalizedTime("2026-01-02T03:04:05.000Z"),
  element(0x16, Buffer.from("260102030405Z")),
])("an instant that is none is refused: %p", (time) => {
  expect(() => readCertificate(certificate({ validity: sequence(time, time) }))).toThrow("the start of validity");
});

test("an extension that is there twice, or an algorithm that differs inside and outside, is refused", () => {
  const extension = sequence(objectId([2, 5, 29, 19]), octetString(sequence()));
  expect(readCertificate(certificate({ extensions: [extension] })).isCa).toBe(false);
  expect(() => readCertificate(certificate({ extensions: [extension, extension] }))).toThrow("twice");
  const outer = sequence(objectId([1, 3, 101, 113]));
  expect(() => readCertificate(certificate({ outer }))).toThrow("two signature algorithms");
});
