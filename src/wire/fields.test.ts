import { expect, test } from "bun:test";
import { Fields, HeaderLine, idOf, knownId, REMOVED, UNKNOWN } from "./fields.ts";

/** `Host: a` and `X-One: 1` in the midst of a larger buffer. */
function sample(): Fields {
  const fields = new Fields();
  fields.clear(Buffer.from("GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\n\r\nand a long body behind"));
  fields.push(knownId("host"), 16, 20, 22, 23, null);
  fields.push(UNKNOWN, 25, 30, 32, 33, null);
  return fields;
}

const texts = (fields: Fields) =>
  Array.from(
    { length: fields.count },
    (_, index) => `${fields.id(index)} ${fields.name(index)}=${fields.value(index)}`,
  );

test("fields are found by id and by name in any case", () => {
  const fields = sample();
  expect(fields.find(knownId("host"))).toBe(0);
  expect(fields.get("x-one")).toBe("1");
  expect(fields.get("x-two")).toBeUndefined();
  expect([fields.nameIs(1, "x-one"), fields.nameIs(1, "x-on")]).toEqual([true, false]);
});

test("a removed field is not found, and the others keep their places", () => {
  const fields = sample();
  fields.remove(0);
  expect(fields.id(0)).toBe(REMOVED);
  expect(fields.find(knownId("host"))).toBe(-1);
  expect(fields.get("host")).toBeUndefined();
  expect(fields.value(1)).toBe("1");
});

test("a copy owns no more bytes than its fields need, and does not change with the original", () => {
  const fields = sample();
  const kept = fields.copy();
  expect(texts(kept)).toEqual(texts(fields));
  expect(Buffer.from(kept.bytes).toString()).toBe("Host: a\r\nX-One: 1\r\n");
  fields.bytes.fill(0);
  fields.remove(1);
  expect(kept.value(1)).toBe("1");
  kept.push(UNKNOWN, 0, 4, 6, 7, null);
  expect(kept.count).toBe(3);
  expect(new Fields().copy().count).toBe(0);
});

test("the table grows with its fields", () => {
  const fields = sample();
  for (let i = 0; i < 500; i++) fields.push(UNKNOWN, 25, 30, 32, 33, null);
  expect(fields.count).toBe(502);
  expect(fields.name(501)).toBe("x-one");
});

test("a header line is encoded for both protocols", () => {
  const line = new HeaderLine("x-long", "v".repeat(300));
  expect(Buffer.from(line.http1).toString()).toBe(`x-long: ${"v".repeat(300)}\r\n`);
  expect(Buffer.from(line.hpack.subarray(0, 11)).toString("hex")).toBe("0006782d6c6f6e677fad01"); // 300 - 127 = 173 = 0xad 0x01
});

test("known names have ids, others do not", () => {
  expect(idOf("content-length")).toBe(knownId("content-length"));
  expect(idOf("x-none")).toBe(UNKNOWN);
});
