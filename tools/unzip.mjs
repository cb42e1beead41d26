// Unpacks a zip archive: `node unzip.mjs archive.zip folder`. Enough for stored and deflated files without zip64.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { inflateRawSync } from "node:zlib";

const [archive, folder] = process.argv.slice(2);
const zip = readFileSync(archive);
const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
if (end < 0) throw new Error(`Cannot unzip ${archive}: it has no end of central directory`);
let at = zip.readUInt32LE(end + 16);
for (let left = zip.readUInt16LE(end + 10); left > 0; left--) at = unpackEntry(at);

/** Takes the entry whose central header starts at `from`; returns where the next one starts. */
function unpackEntry(from) {
  const method = zip.readUInt16LE(from + 10);
  const packedBytes = zip.readUInt32LE(from + 20);
  const nameBytes = zip.readUInt16LE(from + 28);
  const next = from + 46 + nameBytes + zip.readUInt16LE(from + 30) + zip.readUInt16LE(from + 32);
  const name = normalize(zip.toString("utf8", from + 46, from + 46 + nameBytes));
  if (name.startsWith("..") || name.startsWith("/")) throw new Error(`Cannot unzip ${name}: it points outside`);
  if (name.endsWith("/")) return next;
  const local = zip.readUInt32LE(from + 42);
  const dataAt = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
  const packed = zip.subarray(dataAt, dataAt + packedBytes);
  const target = join(folder, name);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, method === 0 ? packed : inflateRawSync(packed));
  return next;
}
