import "reflect-metadata";
import type { KeyObject } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { secretBytes } from "#lib/random";
import { type Certificate, parseCertificate, parseCertificates } from "./certificate.ts";
import {
  generatePrivateKey,
  type KeyKind,
  kindOrThrow,
  parsePrivateKey,
  publicKeyDer,
  signingAlgorithm,
  toSigningKey,
} from "./keys.ts";
import { signLeaf } from "./leaf.ts";
import { toPem } from "./pem.ts";

/** A certificate with its private key. Keep `keyPem` out of logs. */
export interface CertifiedKey {
  readonly certificate: Certificate;
  /** The certificate, then its issuers that are not roots. */
  readonly certPem: string;
  /** PKCS#8. */
  readonly keyPem: string;
}

export interface CaOptions {
  /** The subject's common name. */
  readonly name: string;
  readonly lifetimeMs: number;
  readonly nowMs: number;
  readonly key?: KeyKind;
  /** CAs allowed below; undefined means any number. */
  readonly maxPathLength?: number;
}

export interface LeafOptions {
  /** SubjectPublicKeyInfo of the certified key. */
  readonly publicKeyDer: Uint8Array;
  /** Absent or empty gives an empty subject, and the names become critical (RFC 5280 §4.2.1.6). */
  readonly commonName?: string | undefined;
  readonly dnsNames?: readonly string[];
  readonly uris?: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A self-signed CA. */
export async function createRootCa(options: CaOptions): Promise<CertifiedKey> {
  const key = generatePrivateKey(options.key);
  const der = await sign({ subject: dn(options.name), issuer: dn(options.name), key, ...caParts(options, key) });
  return certified(der, key, "");
}

/** A CA under another. */
export async function issueIntermediateCa(parent: CertifiedKey, options: CaOptions): Promise<CertifiedKey> {
  const authority = await Authority.load(parent.certPem, parent.keyPem);
  const key = generatePrivateKey(options.key);
  const der = await authority.signCa(options, key);
  return certified(der, key, parent.certificate.isSelfIssued ? "" : parent.certPem);
}

/** A CA that signs leaves. Holds the key ready for use, so that one issue costs one signature. */
export class Authority {
  readonly certificate: Certificate;
  /** The certificate first, then those above it that its file held. */
  readonly chain: readonly Certificate[];
  readonly #key: KeyObject;
  readonly #signingKey: CryptoKey;
  readonly #name: x509.Name;
  readonly #nameDer: Uint8Array;
  readonly #keyId: x509.AuthorityKeyIdentifierExtension | undefined;
  readonly #keyIdBytes: Uint8Array | undefined;

  private constructor(chain: readonly Certificate[], key: KeyObject, signingKey: CryptoKey) {
    const certificate = chain[0]!;
    const parsed = new x509.X509Certificate(new Uint8Array(certificate.der)); // once: it costs as much as a signature
    const keyId = parsed.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
    this.certificate = certificate;
    this.chain = chain;
    this.#key = key;
    this.#signingKey = signingKey;
    this.#name = parsed.subjectName;
    this.#nameDer = new Uint8Array(parsed.subjectName.toArrayBuffer());
    this.#keyIdBytes = keyId ? new Uint8Array(Buffer.from(keyId, "hex")) : undefined;
    this.#keyId = keyId ? new x509.AuthorityKeyIdentifierExtension(keyId) : undefined;
  }

  /** Reads a PEM chain and the key of its first certificate. Throws when they do not belong together or it is no CA. */
  static async load(chainPem: string, keyPem: string): Promise<Authority> {
    const chain = parseCertificates(chainPem);
    const certificate = chain[0];
    if (!certificate) throw new Error("Cannot load issuer: its certificate file holds no PEM certificate");
    const key = parsePrivateKey(keyPem);
    kindOrThrow(key);
    if (!Buffer.from(publicKeyDer(key)).equals(certificate.publicKeyDer)) {
      throw new Error(`Cannot load issuer "${certificate.subject}": the private key belongs to another certificate`);
    }
    if (!certificate.isCa || !certificate.maySignCertificates) {
      throw new Error(`Cannot load issuer "${certificate.subject}": it is not a CA certificate`);
    }
    return new Authority(chain, key, await toSigningKey(key));
  }

  /** Certifies a key for TLS, as client and as server. Returns DER. */
  issueLeaf({ dnsNames = [], uris = [], ...options }: LeafOptions): Uint8Array {
    const content = {
      ...options,
      commonName: options.commonName || undefined,
      dnsNames,
      uris,
      serialNumber: serialNumber(),
      issuerName: this.#nameDer,
      issuerKeyId: this.#keyIdBytes,
    };
    return signLeaf(content, this.#key);
  }

  /** Certifies another CA. Returns DER. */
  signCa(options: CaOptions, key: KeyObject): Promise<Uint8Array> {
    return this.#sign({ subject: dn(options.name), ...caParts(options, key) });
  }

  #sign(parts: Omit<SignParts, "issuer" | "key">): Promise<Uint8Array> {
    const extensions = this.#keyId ? [...parts.extensions, this.#keyId] : parts.extensions;
    return sign({ ...parts, extensions, issuer: this.#name, key: this.#key, signingKey: this.#signingKey });
  }
}

/** A new key and its certificate from `ca`, for a server such as an admission webhook. */
export async function issueServingCertificate(
  ca: CertifiedKey,
  options: {
    readonly dnsNames: readonly string[];
    readonly lifetimeMs: number;
    readonly nowMs: number;
    readonly key?: KeyKind;
  },
): Promise<CertifiedKey> {
  const authority = await Authority.load(ca.certPem, ca.keyPem);
  const key = generatePrivateKey(options.key);
  const der = authority.issueLeaf({
    publicKeyDer: publicKeyDer(key),
    commonName: commonNameFor(options.dnsNames[0]),
    dnsNames: options.dnsNames,
    notBeforeMs: options.nowMs - SKEW_MS,
    notAfterMs: options.nowMs + options.lifetimeMs,
  });
  return certified(der, key, ca.certificate.isSelfIssued ? "" : ca.certPem);
}

const SKEW_MS = 60_000; // clocks of the cluster that lag behind ours
const MAX_COMMON_NAME_CHARS = 64; // RFC 5280 appendix A, ub-common-name

interface SignParts {
  readonly subject: x509.JsonName;
  readonly issuer: x509.JsonName | x509.Name;
  readonly publicKeyDer: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly extensions: x509.Extension[];
  readonly key: KeyObject;
  readonly signingKey?: CryptoKey;
}

async function sign(parts: SignParts): Promise<Uint8Array> {
  const publicKey = new x509.PublicKey(new Uint8Array(parts.publicKeyDer));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: Buffer.from(serialNumber()).toString("hex"),
    subject: parts.subject,
    issuer: parts.issuer,
    notBefore: new Date(parts.notBeforeMs),
    notAfter: new Date(parts.notAfterMs),
    publicKey,
    signingKey: parts.signingKey ?? (await toSigningKey(parts.key)),
    signingAlgorithm: signingAlgorithm(kindOrThrow(parts.key)),
    extensions: [...parts.extensions, await x509.SubjectKeyIdentifierExtension.create(publicKey)],
  });
  return new Uint8Array(certificate.rawData);
}

/** 127 random bits: unguessable and positive (RFC 5280 §4.1.2.2 allows 20 octets). */
function serialNumber(): Uint8Array {
  const bytes = secretBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40; // positive and never starting with a zero octet
  return bytes;
}

function caParts(options: CaOptions, key: KeyObject) {
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
  return {
    publicKeyDer: publicKeyDer(key),
    notBeforeMs: options.nowMs - SKEW_MS,
    notAfterMs: options.nowMs + options.lifetimeMs,
    extensions: [
      new x509.BasicConstraintsExtension(true, options.maxPathLength, true),
      new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
    ],
  };
}

function dn(commonName: string): x509.JsonName {
  return [{ CN: [commonName] }];
}

function commonNameFor(name: string | undefined): string | undefined {
  return name && name.length <= MAX_COMMON_NAME_CHARS ? name : undefined;
}

function certified(der: Uint8Array, key: KeyObject, issuersPem: string): CertifiedKey {
  const certificate = parseCertificate(der);
  const keyPem = toPem(new Uint8Array(key.export({ type: "pkcs8", format: "der" })), "PRIVATE KEY");
  return { certificate, certPem: certificate.pem + issuersPem, keyPem };
}
