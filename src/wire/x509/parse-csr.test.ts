import { expect, test } from "bun:test";
import { createCsr, generateCsrKeys } from "./csr.ts";
import {
  bitString,
  contextConstructed,
  contextPrimitive,
  element,
  integer,
  objectId,
  octetString,
  sequence,
  set,
  utf8String,
} from "./der.ts";
import { ecdsaToDer } from "./ecdsa.ts";
import { parseCsr } from "./parse-csr.ts";

const NAME = "web.shop.serviceaccount.identity.linkerd.cluster.local";
const keys = await generateCsrKeys();
const publicKeyDer = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));

interface Parts {
  readonly subject?: readonly Uint8Array[];
  readonly attributes?: readonly Uint8Array[];
  readonly behind?: Uint8Array;
}

/** A request of these parts, signed. */
async function request({ subject = [], attributes = [names(dns(NAME))], behind = sequence() }: Parts) {
  const parts = [integer(0), sequence(...subject), publicKeyDer, contextConstructed(0, Buffer.concat(attributes))];
  const info = new Uint8Array(behind.length > 2 ? sequence(...parts, behind) : sequence(...parts));
  const raw = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, keys.privateKey, info);
  const algorithm = sequence(objectId([1, 2, 840, 10045, 4, 3, 2]));
  return sequence(info, algorithm, bitString(ecdsaToDer(new Uint8Array(raw))));
}

const SUBJECT_ALT_NAME = [2, 5, 29, 17];
const EXTENSION_REQUEST = [1, 2, 840, 113549, 1, 9, 14];

function names(...all: Uint8Array[]): Uint8Array {
  return asked(sequence(objectId(SUBJECT_ALT_NAME), octetString(sequence(...all))));
}

function asked(...extensions: Uint8Array[]): Uint8Array {
  return sequence(objectId(EXTENSION_REQUEST), set(sequence(...extensions)));
}

function dns(name: string): Uint8Array {
  return contextPrimitive(2, Buffer.from(name));
}

function field(id: readonly number[], value: Uint8Array): Uint8Array {
  return sequence(objectId(id), value);
}

const cn = (value: Uint8Array) => field([2, 5, 4, 3], value);
const organization = field([2, 5, 4, 10], utf8String("shop"));

test("a proxy's own request is accepted", async () => {
  const { value, error } = await parseCsr(await createCsr(NAME, keys));
  expect(error).toBeUndefined();
  expect(value).toEqual({
    commonName: NAME,
    hasOtherSubject: false,
    dnsNames: [NAME],
    uris: [],
    otherNameCount: 0,
    publicKeyDer: Buffer.from(publicKeyDer),
    keyKind: "P-256",
  });
});

test.each([
  ["nothing", [], { commonName: undefined, hasOtherSubject: false }],
  ["a common name", [set(cn(utf8String("ä")))], { commonName: "ä", hasOtherSubject: false }],
  ["printable text", [set(cn(element(0x13, Buffer.from("a"))))], { commonName: "a", hasOtherSubject: false }],
  [
    "two common names",
    [set(cn(utf8String("a"))), set(cn(utf8String("b")))],
    { commonName: "a", hasOtherSubject: true },
  ],
  ["two in one", [set(Buffer.concat([cn(utf8String("a")), cn(utf8String("b"))]))], { hasOtherSubject: true }],
  ["more", [set(organization), set(cn(utf8String("a")))], { commonName: "a", hasOtherSubject: true }],
  ["only others", [set(organization)], { commonName: undefined, hasOtherSubject: true }],
])("a subject of %s is seen", async (_what, subject, wanted) => {
  expect((await parseCsr(await request({ subject }))).value).toMatchObject({ ...wanted, dnsNames: [NAME] });
});

test("names of other kinds are counted, and attributes of other kinds passed over", async () => {
  const others = names(
    dns("a"),
    dns("b"),
    contextPrimitive(6, Buffer.from("spiffe://a")),
    contextPrimitive(7, Buffer.of(1)),
  );
  const password = sequence(objectId([1, 2, 840, 113549, 1, 9, 7]), set(utf8String("secret")));
  const { value } = await parseCsr(await request({ attributes: [password, others] }));
  expect(value).toMatchObject({ dnsNames: ["a", "b"], uris: ["spiffe://a"], otherNameCount: 1 });
  expect((await parseCsr(await request({ attributes: [] }))).value).toMatchObject({ dnsNames: [], otherNameCount: 0 });
});

const subjectAltName = sequence(objectId(SUBJECT_ALT_NAME), octetString(sequence(dns(NAME))));

test.each([
  ["asks for extensions twice", { attributes: [names(dns(NAME)), names(dns("other"))] }],
  ["asks for an extension twice", { attributes: [asked(subjectAltName, subjectAltName)] }],
  [
    "has two values for its extensions",
    {
      attributes: [sequence(objectId(EXTENSION_REQUEST), set(Buffer.concat([sequence(subjectAltName), sequence()])))],
    },
  ],
  [
    "has names that run on",
    {
      attributes: [
        asked(sequence(objectId(SUBJECT_ALT_NAME), octetString(Buffer.concat([sequence(dns(NAME)), dns("x")])))),
      ],
    },
  ],
  ["has something behind its attributes", { behind: octetString(Uint8Array.of(1)) }],
  ["has a common name that is no UTF-8", { subject: [set(cn(element(0x0c, Buffer.of(0xff))))] }],
  ["has a common name of 16-bit text", { subject: [set(cn(element(0x1e, Buffer.of(0, 97))))] }],
  ["has an empty field", { subject: [set(sequence(objectId([2, 5, 4, 3])))] }],
])("a signed request that %s is refused", async (_what, parts) => {
  const { value, error } = await parseCsr(await request(parts));
  expect(value).toBeUndefined();
  expect(error).toBe("Cannot accept the certificate signing request: not a PKCS#10 request in DER");
});

test("a request cut at any byte, or with any byte changed, is refused", async () => {
  const der = await createCsr(NAME, keys);
  for (let length = 0; length < der.length; length++) {
    expect((await parseCsr(der.subarray(0, length))).value).toBeUndefined();
  }
  for (let at = 0; at < der.length; at++) {
    expect((await parseCsr(new Uint8Array(der).with(at, der[at]! ^ 0x41))).value).toBeUndefined();
  }
  expect((await parseCsr(Buffer.concat([der, Buffer.of(0)]))).value).toBeUndefined();
});
