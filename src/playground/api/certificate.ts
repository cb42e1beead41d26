import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { secretBytes } from "#lib/random";

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
    this.certPem = pem("CERTIFICATE", this.#certify(publicKey, { commonName: name, isCa: true, nowMs, lifetimeMs }));
  }

  /** A new P-256 key and its certificate, good as client and as server. */
  issue(options: CertificateOptions): KeyPair {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    return {
      certPem: pem("CERTIFICATE", this.#certify(publicKey, options)),
      keyPem: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    };
  }

  #certify(publicKey: KeyObject, options: CertificateOptions): Buffer {
    const algorithm = sequence(oid("1.2.840.10045.4.3.2")); // ecdsa-with-SHA256
    const body = sequence(
      explicit(0, integer(Buffer.from([2]))),
      integer(serial()),
      algorithm,
      name(this.#name, []),
      sequence(time(options.nowMs - CLOCK_SKEW_MS), time(options.nowMs + options.lifetimeMs)),
      name(options.commonName, options.organizations ?? []),
      publicKey.export({ type: "spki", format: "der" }) as Buffer,
      explicit(3, sequence(...extensions(options, publicKey, createPublicKey(this.#key)))),
    );
    return sequence(body, algorithm, bits(sign("sha256", body, this.#key)));
  }
}

const CLOCK_SKEW_MS = 60_000;

function extensions(options: CertificateOptions, subject: KeyObject, issuer: KeyObject): Buffer[] {
  const critical = tlv(0x01, Buffer.from([0xff]));
  const usage = options.isCa ? Buffer.from([0x01, 0x06]) : Buffer.from([0x05, 0xa0]); // certSign+crlSign | signature+encipherment
  const list = [
    sequence(oid("2.5.29.19"), critical, octets(options.isCa ? sequence(tlv(0x01, Buffer.from([0xff]))) : sequence())),
    sequence(oid("2.5.29.15"), critical, octets(tlv(0x03, usage))),
    sequence(oid("2.5.29.14"), octets(octets(keyId(subject)))),
    sequence(oid("2.5.29.35"), octets(sequence(tlv(0x80, keyId(issuer))))),
  ];
  if (options.isCa) return list;
  list.push(sequence(oid("2.5.29.37"), octets(sequence(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.2")))));
  const names = [
    ...(options.dnsNames ?? []).map((dns) => tlv(0x82, Buffer.from(dns, "latin1"))),
    ...(options.ipv4 ?? []).map((address) => tlv(0x87, Buffer.from(address.split(".").map(Number)))),
  ];
  if (names.length > 0) list.push(sequence(oid("2.5.29.17"), octets(sequence(...names))));
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

function name(commonName: string, organizations: readonly string[]): Buffer {
  const attribute = (type: string, value: string) => set(sequence(oid(type), tlv(0x0c, Buffer.from(value))));
  return sequence(...organizations.map((group) => attribute("2.5.4.10", group)), attribute("2.5.4.3", commonName));
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]/g, "").slice(0, 14);
  return tlv(0x18, Buffer.from(`${text}Z`)); // GeneralizedTime; verifiers here take it for any year
}

function tlv(tag: number, content: Buffer): Buffer {
  const length = content.length;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: Buffer[]) => tlv(0x30, Buffer.concat(parts));
const set = (...parts: Buffer[]) => tlv(0x31, Buffer.concat(parts));
const integer = (bytes: Buffer) => tlv(0x02, bytes);
const octets = (content: Buffer) => tlv(0x04, content);
const bits = (content: Buffer) => tlv(0x03, Buffer.concat([Buffer.from([0]), content]));
const explicit = (number: number, content: Buffer) => tlv(0xa0 | number, content);

function oid(text: string): Buffer {
  const [first, second, ...rest] = text.split(".").map(Number);
  const bytes = [first! * 40 + second!];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tlv(0x06, Buffer.from(bytes));
}

function pem(label: string, der: Buffer): string {
  return `-----BEGIN ${label}-----\n${der.toString("base64").replace(/.{1,64}/g, "$&\n")}-----END ${label}-----\n`;
}
