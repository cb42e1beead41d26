import { afterAll, expect, test } from "bun:test";
import { OPENSSL_KEYS, OpensslCa, type OpensslCertificate } from "../../../test/support/openssl-ca.ts";
import { checkCertificate, pemOfDer } from "./certificate.ts";

const NAME = "web.shop.serviceaccount.identity.linkerd.cluster.local";
const LEAF_EXTENSIONS = ["basicConstraints=critical,CA:false", `subjectAltName=DNS:${NAME}`];
const DAY = 86_400_000;
const openssl = new OpensslCa();
afterAll(() => openssl.close());

const root = openssl.issue({ name: "root" });
const issuer = openssl.issue({ name: "issuer", issuer: root });
const leaf = certifiedBy(issuer);

function certifiedBy(by: OpensslCertificate, extensions = LEAF_EXTENSIONS): OpensslCertificate {
  return openssl.issue({ name: "web", issuer: by, extensions });
}

interface Case {
  readonly chain?: readonly OpensslCertificate[];
  readonly roots?: readonly OpensslCertificate[];
  readonly name?: string;
  readonly afterMs?: number;
  readonly validMs?: number;
}

/** What is wrong with a chain; by default with one that is good. */
function check({ chain = [leaf, issuer], roots = [root], name = NAME, afterMs = 0, validMs = DAY }: Case) {
  const certificate = { chainPem: pemOfDer(chain.map(({ der }) => der)), expiresAtMs: Date.now() + validMs };
  return checkCertificate(certificate, name, roots.map(({ pem }) => pem).join(""), Date.now() + afterMs);
}

const NO_WAY =
  "The identity service's certificate does not lead to any trust anchor: check that the issuer is signed by them";

test("PEM is written as OpenSSL writes it", () => {
  expect(pemOfDer([leaf.der, root.der])).toBe(leaf.pem + root.pem);
});

test.each(Object.keys(OPENSSL_KEYS) as (keyof typeof OPENSSL_KEYS)[])(
  "a chain of %s keys is good",
  async (key) => {
    const top = openssl.issue({ name: "top", key });
    const middle = openssl.issue({ name: "middle", key, issuer: top });
    const own = certifiedBy(middle);
    expect(await check({ chain: [own, middle], roots: [top] })).toBeUndefined();
    expect(await check({ chain: [own, middle], roots: [middle] })).toBeUndefined();
    expect(await check({ chain: [own, middle, top], roots: [root, top] })).toBeUndefined();
    expect(await check({ chain: [own, middle], roots: [root] })).toBe(NO_WAY);
  },
  30_000,
);

test("a certificate that is an anchor itself is good", async () => {
  const own = openssl.issue({ name: "web", extensions: LEAF_EXTENSIONS });
  expect(await check({ chain: [own], roots: [own] })).toBeUndefined();
  expect(await check({ chain: [own], roots: [root] })).toBe(NO_WAY);
});

test("a certificate that has expired is refused, whether it says so or the identity service", async () => {
  expect(await check({})).toBeUndefined();
  expect(await check({ validMs: -1 })).toStartWith("The identity service sent a certificate that expired at 20");
  expect(await check({ afterMs: 11 * DAY, validMs: 20 * DAY })).toContain("expired at");
});

test("an issuer that has expired leads nowhere", async () => {
  const short = openssl.issue({ name: "short", issuer: root, days: 1 });
  const chain = [certifiedBy(short), short];
  expect(await check({ chain })).toBeUndefined();
  expect(await check({ chain, afterMs: 2 * DAY, validMs: 5 * DAY })).toBe(NO_WAY);
});

test("a certificate for another name is refused, and names are compared in lower case", async () => {
  expect(await check({ name: "db.shop" })).toBe(`The identity service certified "${NAME}", wanted "db.shop"`);
  const uri = certifiedBy(issuer, [`subjectAltName=URI:${NAME}`]);
  expect(await check({ chain: [uri, issuer] })).toBe(`The identity service certified "", wanted "${NAME}"`);
  const capital = certifiedBy(issuer, [`subjectAltName=DNS:${NAME.toUpperCase()}`]);
  expect(await check({ chain: [capital, issuer] })).toBeUndefined();
});

test("a chain without its intermediate, or with one that may not sign, is refused", async () => {
  expect(await check({ chain: [leaf] })).toBe(NO_WAY);
  const noCa = openssl.issue({ name: "no-ca", issuer: root, extensions: ["basicConstraints=critical,CA:false"] });
  expect(await check({ chain: [certifiedBy(noCa), noCa] })).toBe(NO_WAY);
  const noSigner = ["basicConstraints=CA:true", "keyUsage=digitalSignature"];
  const other = openssl.issue({ name: "other", issuer: root, extensions: noSigner });
  expect(await check({ chain: [certifiedBy(other), other] })).toBe(NO_WAY);
  expect(await check({ chain: [certifiedBy(noCa)], roots: [noCa] })).toBe(NO_WAY);
});

test("an issuer of the same name with another key does not vouch, and does not hide the right one", async () => {
  const twin = openssl.issue({ name: "issuer", issuer: root });
  expect(await check({ chain: [leaf, twin] })).toBe(NO_WAY);
  expect(await check({ chain: [leaf, twin, issuer] })).toBeUndefined();
  expect(await check({ roots: [openssl.issue({ name: "root" })] })).toBe(NO_WAY);
});

test("a flipped bit of a signature is noticed anywhere in the chain", async () => {
  for (const at of [0, 1]) {
    const chain = [leaf, issuer].map((one) => one.der);
    chain[at] = new Uint8Array(chain[at]!).with(-1, chain[at]!.at(-1)! ^ 1);
    const certificate = { chainPem: pemOfDer(chain), expiresAtMs: Date.now() + DAY };
    expect(await checkCertificate(certificate, NAME, root.pem, Date.now())).toBe(NO_WAY);
  }
});

test("an anchor that cannot be read is named", async () => {
  const cut = `${root.pem}-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n`;
  const certificate = { chainPem: leaf.pem, expiresAtMs: Date.now() + DAY };
  await expect(checkCertificate(certificate, NAME, cut, Date.now())).rejects.toThrow(
    "Cannot read trust anchor 2 of the bundle: Cannot read DER: the certificate is cut off",
  );
  expect(await checkCertificate({ ...certificate, chainPem: "" }, NAME, root.pem, Date.now())).toBe(
    "The identity service sent no certificate",
  );
});
