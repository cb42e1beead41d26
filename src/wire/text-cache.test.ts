import { expect, test } from "bun:test";
import fc from "fast-check";
import { TextCache } from "./text-cache.ts";

test("whatever was offered, bytes are found with their own text or not at all", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 6 }), { maxLength: 300 }),
      (texts) => {
        const cache = new TextCache();
        for (const text of texts) {
          const bytes = Buffer.from(`??${text}`, "latin1");
          const found = cache.find(bytes, 2, bytes.length);
          expect(cache.latin1(bytes, 2, bytes.length)).toBe(text);
          if (found === null) cache.add(bytes, 2, bytes.length, text, true);
          else expect(found).toMatchObject({ text, isValid: true });
        }
      },
    ),
  );
});

test("one in eight unknown texts is taken, none that is long", () => {
  const cache = new TextCache();
  const known = (text: string): boolean => cache.find(Buffer.from(text), 0, text.length) !== null;
  const offer = (text: string): void => cache.add(Buffer.from(text), 0, text.length, text, false);
  for (let i = 0; i < 8; i++) offer(`/items/${i}`);
  expect([0, 6, 7].map((i) => known(`/items/${i}`))).toEqual([false, false, true]);
  const long = "x".repeat(129);
  for (let i = 0; i < 8; i++) offer(long);
  expect(known(long)).toBe(false);
});

test("the bytes that a text was read from may change afterwards", () => {
  const cache = new TextCache();
  const bytes = Buffer.from("/a");
  for (let i = 0; i < 8; i++) cache.add(bytes, 0, 2, "/a", true);
  bytes[1] = 0x62;
  expect(cache.find(bytes, 0, 2)).toBe(null);
});
