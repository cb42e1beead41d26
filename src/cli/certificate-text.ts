import type { Certificate } from "#x509";

/** A certificate in the layout of `openssl x509 -text`, as far as mesh certificates have something to say. */
export function certificateText(certificate: Certificate): string {
  const names = [...certificate.dnsNames.map((name) => `DNS:${name}`), ...certificate.uris.map((uri) => `URI:${uri}`)];
  const lines = [
    "Certificate:",
    "    Data:",
    "        Version: 3 (0x2)",
    `        Serial Number: ${serial(certificate.serialNumber)}`,
    `        Issuer: ${oneLine(certificate.issuer)}`,
    "        Validity",
    `            Not Before: ${date(certificate.notBeforeMs)}`,
    `            Not After : ${date(certificate.notAfterMs)}`,
    `        Subject: ${oneLine(certificate.subject)}`,
    "        Subject Public Key Info:",
    ...publicKey(certificate),
    "        X509v3 extensions:",
    ...extension("Basic Constraints: critical", `CA:${certificate.isCa ? "TRUE" : "FALSE"}`),
    ...(names.length > 0 ? extension("Subject Alternative Name:", names.join(", ")) : []),
    `    SHA256 Fingerprint: ${colons(certificate.fingerprint.toUpperCase())}`,
  ];
  return `${lines.join("\n")}\n\n`;
}

function extension(name: string, value: string): string[] {
  return [`            X509v3 ${name}`, `                ${value}`];
}

function publicKey({ native, keyKind }: Certificate): string[] {
  const { publicKey: key } = native;
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  const known: Record<string, string> = { ec: "id-ecPublicKey", rsa: "rsaEncryption", ed25519: "ED25519" };
  const algorithm = known[key.asymmetricKeyType ?? ""];
  const size = modulusLength ?? { "P-256": 256, "P-384": 384, Ed25519: 256 }[keyKind as string];
  return [
    `            Public Key Algorithm: ${algorithm ?? key.asymmetricKeyType ?? "unknown"}`,
    ...(size ? [`                Public-Key: (${size} bit)`] : []),
    ...(namedCurve ? [`                ASN1 OID: ${namedCurve}`, `                NIST CURVE: ${keyKind ?? ""}`] : []),
  ];
}

/** Small numbers as openssl prints them, in both bases; long ones as octets. */
function serial(hex: string): string {
  const value = BigInt(`0x${hex || "0"}`);
  return value < 2n ** 63n ? `${value} (0x${value.toString(16)})` : `\n            ${colons(hex.toLowerCase())}`;
}

function colons(hex: string): string {
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  return even.match(/../g)?.join(":") ?? "";
}

function oneLine(name: string): string {
  return name.split("\n").join(", ");
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `Nov 21 04:10:00 2026 UTC`. */
function date(ms: number): string {
  const at = new Date(ms);
  const day = String(at.getUTCDate()).padStart(2, " ");
  return `${MONTHS[at.getUTCMonth()]} ${day} ${at.toISOString().slice(11, 19)} ${at.getUTCFullYear()} UTC`;
}
