import { expect, test } from "bun:test";
import { element, integer, octetString, sequence } from "./der.ts";
import { DerReader, TAG } from "./der-reader.ts";

function reader(hex: string): DerReader {
  return new DerReader(Buffer.from(hex, "hex"));
}

test("elements follow each other, whole or as their content", () => {
  const list = new DerReader(sequence(integer(5), octetString(Uint8Array.of(1, 2)))).open(TAG.sequence, "list");
  expect(list.nextTag).toBe(TAG.integer);
  expect(list.integer("number")).toEqual(Buffer.of(5));
  expect(list.whole(TAG.octetString, "bytes")).toEqual(Buffer.of(4, 2, 1, 2));
  expect(list.isAtEnd).toBe(true);
  expect(list.nextTag).toBeUndefined();
  list.end("list");
});

test.each([0, 127, 128, 255, 256, 65_535, 65_536])("what has %d bytes is read as it was written", (length) => {
  const content = new Uint8Array(length).fill(7);
  expect(new DerReader(element(TAG.octetString, content)).content(TAG.octetString, "bytes")).toEqual(
    Buffer.from(content),
  );
});

const refused: readonly [what: string, hex: string, message: string][] = [
  ["nothing", "", "it is missing"],
  ["another tag", "0201", "it has tag 0x02, wanted 0x04"],
  ["a tag of several bytes", "1f8101aa", "it has a tag of several bytes"],
  ["no length", "04", "it is cut off"],
  ["content that ends early", "0402aa", "it is cut off"],
  ["a length that ends early", "048201", "it is cut off"],
  ["an indefinite length", "0480aa0000", "it has no definite length"],
  ["a long form for a short length", "04817faa", "the length of it is not minimal"],
  ["a length with a leading zero", `04820080${"aa".repeat(128)}`, "the length of it is not minimal"],
  ["a length of four bytes", "0484ffffffff", "it has a length of 4 bytes"],
  ["a length of 127 bytes", "04ff", "it has a length of 127 bytes"],
];

test.each(refused)("%s is refused", (_what, hex, message) => {
  expect(() => reader(hex).content(TAG.octetString, "it")).toThrow(new RangeError(`Cannot read DER: ${message}`));
});

test("an element cannot reach beyond the one around it", () => {
  const inner = reader("30030403aabbcc").open(TAG.sequence, "list"); // 3 bytes around one that wants 5
  expect(() => inner.content(TAG.octetString, "it")).toThrow("it is cut off");
});

test("bytes behind the end are refused", () => {
  expect(() => reader("0400").end("nothing")).toThrow(new RangeError("Cannot read DER: 2 bytes after nothing"));
});

test.each([
  ["no byte", "0200"],
  ["a zero too many", "02020001"],
  ["ones too many", "0202ff80"],
])("an integer of %s is refused", (_what, hex) => {
  expect(() => reader(hex).integer("it")).toThrow("it is no minimal integer");
});

test("a boolean has one byte, a bit string whole ones", () => {
  expect(reader("0101ff").bool("it")).toBe(true);
  expect(reader("010100").bool("it")).toBe(false);
  for (const hex of ["0100", "010101", "0102ffff"]) expect(() => reader(hex).bool("it")).toThrow("it is no boolean");
  expect(reader("030200aa").bitString("it")).toEqual(Buffer.of(0xaa));
  expect(() => reader("030204a0").bitString("it")).toThrow(RangeError);
  expect(() => reader("0300").bitString("it")).toThrow(RangeError);
});

test("elements within elements end somewhere", () => {
  let der: Uint8Array = sequence();
  for (let i = 0; i < 1_000; i++) der = sequence(der);
  const descend = (one: DerReader): void => descend(one.open(TAG.sequence, "it"));
  expect(() => descend(new DerReader(der))).toThrow(
    new RangeError("Cannot read DER: more than 16 elements within each other"),
  );
});
