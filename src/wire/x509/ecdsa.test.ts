import { expect, test } from "bun:test";
import { ecdsaFromDer, ecdsaToDer } from "./ecdsa.ts";

/** Both numbers as hex, of four bytes. */
function check(raw: string, der: string): void {
  expect(Buffer.from(ecdsaToDer(Buffer.from(raw, "hex"))).toString("hex")).toBe(der);
  expect(Buffer.from(ecdsaFromDer(Buffer.from(der, "hex"), 4)).toString("hex")).toBe(raw);
}

test("numbers take as few bytes as can be, and stay positive", () => {
  check("0102030405060708", "300c020401020304020405060708");
  check("80000000000000ff", "300b02050080000000020200ff");
  check("0000000100000080", "300702010102020080");
  check("00007fff00008000", "3009" + "02027fff" + "0203008000");
  check("0000000000000000", "3006020100020100");
});

test.each([
  ["a negative number", "3006020180020101"],
  ["a zero too many", "300702020001020101"],
  ["a number larger than the key's", "300a02050100000000020101"],
  ["one number", "3003020101"],
  ["three numbers", "3009020101020101020101"],
  ["bytes behind", "300602010102010100"],
  ["an empty number", "30050200020101"],
  ["another tag", "310602010102010100"],
  ["nothing", ""],
])("a signature with %s is refused", (_what, der) => {
  expect(() => ecdsaFromDer(Buffer.from(der, "hex"), 4)).toThrow(RangeError);
});

test("a signature cut at any byte is refused", () => {
  const der = Buffer.from("300c020401020304020405060708", "hex");
  for (let length = 0; length < der.length; length++) {
    expect(() => ecdsaFromDer(der.subarray(0, length), 4)).toThrow(RangeError);
  }
});
