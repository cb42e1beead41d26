import { contextTag, DerReader, TAG } from "./der-reader.ts";

/** Reads Extensions (RFC 5280 §4.1): the content of each, by the digits of its object identifier. */
export function readExtensions(around: DerReader): ReadonlyMap<string, Uint8Array> {
  const extensions = new Map<string, Uint8Array>();
  const list = around.open(TAG.sequence, "the extensions");
  while (!list.isAtEnd) {
    const one = list.open(TAG.sequence, "an extension");
    const id = one.objectId("the name of an extension");
    if (one.nextTag === TAG.boolean) one.bool("whether an extension is critical");
    if (extensions.has(id)) throw new RangeError("Cannot read DER: an extension is there twice"); // §4.2 forbids it
    extensions.set(id, one.content(TAG.octetString, "the content of an extension"));
    one.end("an extension");
  }
  return extensions;
}

/** The names of a subjectAltName extension. */
export interface AlternativeNames {
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** Names of other kinds: e-mail, IP, directory names… */
  readonly otherCount: number;
}

const DNS_NAME = contextTag(2); // RFC 5280 §4.2.1.6, GeneralName
const URI = contextTag(6);

/** Reads the content of a subjectAltName extension; without one there are no names. */
export function readAlternativeNames(extension: Uint8Array | undefined): AlternativeNames {
  const dnsNames: string[] = [];
  const uris: string[] = [];
  let otherCount = 0;
  if (extension) {
    const outer = new DerReader(extension);
    const names = outer.open(TAG.sequence, "the alternative names");
    outer.end("the alternative names");
    for (let tag = names.nextTag; tag !== undefined; tag = names.nextTag) {
      const content = Buffer.from(names.content(tag, "an alternative name"));
      if (tag === DNS_NAME) dnsNames.push(content.toString("latin1"));
      else if (tag === URI) uris.push(content.toString("latin1"));
      else otherCount++;
    }
  }
  return { dnsNames, uris, otherCount };
}
