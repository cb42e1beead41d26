/** The DER of every block labelled `label` in a PEM text, in order. Text around blocks is ignored, as RFC 7468 §2 allows. */
export function pemBlocks(text: string, label: string): Uint8Array[] {
  const block = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]*)-----END ${label}-----`, "g");
  return [...text.matchAll(block)].map((match) => new Uint8Array(Buffer.from(match[1]!, "base64")));
}

/** DER as a PEM block, 64 characters a line, with a newline at the end. */
export function toPem(der: Uint8Array, label: string): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString("base64");
  return `-----BEGIN ${label}-----\n${base64.replace(/.{1,64}/g, "$&\n")}-----END ${label}-----\n`;
}
