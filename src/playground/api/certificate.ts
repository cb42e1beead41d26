import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { secretBytes } from "#lib/random";
import {
  bigInteger,
  bitString,
  bool,
  contextConstructed,
  contextPrimitive,
  generalizedTime,
  integer,
  namedBits,
  objectId,
  octetString,
  sequence,
  set,
  utf8String,
} from "#x509/der";
import { toPem } from "#x509/pem";

/** A certificate with its key, both PEM. The key never goes into logs or answers. */
export interface KeyPair {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface CertificateOptions {
  readonly commonName: string;
  /** Groups, as Kubernetes reads them from client certificates. */
  readonly organizations?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipv4?: readonly string[];
  readonly isCa?: boolean;
  readonly nowMs: number;
  readonly lifetimeMs: number;
}

/** A CA that the playground makes for itself at every start; small enough not to need an X.509 library. */
export class CertificateAuthority {
  readonly certPem: string;
  readonly #key: KeyObject;
  readonly #name: string;

  constructor(name: string, nowMs: number, lifetimeMs: number) {
    this.#name = name;
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#key = privateKey;
    this.certPem = toPem(this.#certify(publicKey, { commonName: name, isCa: true, nowMs, lifetimeMs }), "CERTIFICATE");
  }

  /** A new P-256 key and its certificate, good as client and as server. */
  issue(options: CertificateOptions): KeyPair {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    return {
      certPem: toPem(this.#certify(publicKey, options), "CERTIFICATE"),
      keyPem: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    };
  }

  #certify(publicKey: KeyObject, options: CertificateOptions): Uint8Array {
    const algorithm = sequence(objectId(ECDSA_WITH_SHA256));
    const body = sequence(
      contextConstructed(0, integer(2)), // version 3
      bigInteger(serial()),
      algorithm,
      name(this.#name, []),
      sequence(generalizedTime(options.nowMs - CLOCK_SKEW_MS), generalizedTime(options.nowMs + options.lifetimeMs)),
      name(options.commonName, options.organizations ?? []),
      publicKey.export({ type: "spki", format: "der" }) as Buffer,
      contextConstructed(3, sequence(...extensions(options, publicKey, createPublicKey(this.#key)))),
    );
    return sequence(body, algorithm, bitString(sign("sha256", body, this.#key)));
  }
}

const CLOCK_SKEW_MS = 60_000;
const ECDSA_WITH_SHA256 = [1, 2, 840, 10045, 4, 3, 2];
const COMMON_NAME = [2, 5, 4, 3];
const ORGANIZATION = [2, 5, 4, 10];
const SUBJECT_KEY_ID = [2, 5, 29, 14];
const KEY_USAGE = [2, 5, 29, 15];
const SUBJECT_ALT_NAME = [2, 5, 29, 17];
const BASIC_CONSTRAINTS = [2, 5, 29, 19];
const AUTHORITY_KEY_ID = [2, 5, 29, 35];
const EXTENDED_KEY_USAGE = [2, 5, 29, 37];
const SERVER_AUTH = [1, 3, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH = [1, 3, 6, 1, 5, 5, 7, 3, 2];
const DNS_NAME_TAG = 2;
const IP_ADDRESS_TAG = 7;

function extensions(options: CertificateOptions, subject: KeyObject, issuer: KeyObject): Uint8Array[] {
  const usage = options.isCa ? namedBits(0x06, 1) : namedBits(0xa0, 5); // certSign+crlSign | signature+encipherment
  const list = [
    sequence(objectId(BASIC_CONSTRAINTS), bool(true), octetString(options.isCa ? sequence(bool(true)) : sequence())),
    sequence(objectId(KEY_USAGE), bool(true), octetString(usage)),
    sequence(objectId(SUBJECT_KEY_ID), octetString(octetString(keyId(subject)))),
    sequence(objectId(AUTHORITY_KEY_ID), octetString(sequence(contextPrimitive(0, keyId(issuer))))),
  ];
  if (options.isCa) return list;
  list.push(
    sequence(objectId(EXTENDED_KEY_USAGE), octetString(sequence(objectId(SERVER_AUTH), objectId(CLIENT_AUTH)))),
  );
  const names = [
    ...(options.dnsNames ?? []).map((dns) => contextPrimitive(DNS_NAME_TAG, Buffer.from(dns, "latin1"))),
    ...(options.ipv4 ?? []).map((ip) => contextPrimitive(IP_ADDRESS_TAG, Buffer.from(ip.split(".").map(Number)))),
  ];
  if (names.length > 0) list.push(sequence(objectId(SUBJECT_ALT_NAME), octetString(sequence(...names))));
  return list;
}

function keyId(key: KeyObject): Buffer {
  return createHash("sha1")
    .update(key.export({ type: "spki", format: "der" }) as Buffer)
    .digest();
}

/** A positive number of 16 random bytes (RFC 5280 §4.1.2.2). */
function serial(): Buffer {
  const bytes = Buffer.from(secretBytes(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes;
}

function name(commonName: string, organizations: readonly string[]): Uint8Array {
  const attribute = (type: number[], value: string) => set(sequence(objectId(type), utf8String(value)));
  return sequence(...organizations.map((group) => attribute(ORGANIZATION, group)), attribute(COMMON_NAME, commonName));
}
