/** Who a TLS peer is, read once from its certificate after the handshake. */
export interface TlsPeer {
  /** The first DNS or URI name of the certificate; undefined when none was presented. */
  readonly id: string | undefined;
  /** Every DNS and URI name. */
  readonly names: readonly string[];
  /** The negotiated protocol, or undefined. */
  readonly alpn: string | undefined;
}

/**
 * The DNS and URI names in OpenSSL's text of a subjectAltName (`DNS:a, URI:b`).
 * A name that needed quoting could imitate several: such an extension has no names at all.
 */
export function namesInSubjectAltName(text: string | undefined): string[] {
  if (!text || text.includes('"')) return [];
  const names: string[] = [];
  for (const part of text.split(", ")) {
    if (part.startsWith("DNS:")) names.push(part.slice(4).toLowerCase());
    else if (part.startsWith("URI:")) names.push(part.slice(4));
  }
  return names;
}

/** Protocol names as TLS carries them: each behind its length. */
export function encodeAlpn(protocols: readonly string[]): Buffer {
  return Buffer.concat(protocols.map((name) => Buffer.from(String.fromCharCode(name.length) + name, "latin1")));
}
