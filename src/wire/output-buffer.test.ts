import { expect, test } from "bun:test";
import { OutputBuffer } from "./output-buffer.ts";

const text = (out: OutputBuffer) => Buffer.from(out.bytes.subarray(out.start, out.end)).toString("latin1");

test("an unused buffer holds no memory", () => {
  expect(new OutputBuffer().bytes.length).toBe(0);
});

test("bytes come out in the order they went in, across growth", () => {
  const out = new OutputBuffer();
  let expected = "";
  for (let i = 0; i < 400; i++) {
    const part = `<${i}:${"x".repeat(i % 97)}>`;
    out.append(Buffer.from(part));
    expected += part;
    if (i % 7 === 0) {
      const sent = Math.min(out.size, 13);
      out.consume(sent);
      expected = expected.slice(sent);
    }
  }
  expect(text(out)).toBe(expected);
});

test("room at the front is reused before the buffer grows", () => {
  const out = new OutputBuffer();
  out.append(new Uint8Array(1000));
  out.consume(999);
  out.append(new Uint8Array(900));
  expect(out.bytes.length).toBe(1024);
  expect(out.size).toBe(901);
});

test("a large buffer is given back when it runs empty", () => {
  const out = new OutputBuffer();
  out.append(new Uint8Array(200_000));
  out.consume(200_000);
  expect(out.bytes.length).toBe(0);
  expect(out.start).toBe(0);
});

test("`trim()` keeps what was needed since the last time, and gives back what was not", () => {
  const out = new OutputBuffer(1 << 20, 1 << 20);
  const use = (count: number): void => {
    out.append(new Uint8Array(count));
    out.consume(count);
  };
  use(200_000);
  out.trim();
  expect(out.bytes.length).toBe(262_144);
  use(70_000);
  out.trim();
  expect(out.bytes.length).toBe(262_144);
  use(1_000);
  out.trim();
  expect(out.bytes.length).toBe(0);
  use(1_000);
  out.trim();
  expect(out.bytes.length).toBe(1024);
  out.trim();
  expect(out.bytes.length).toBe(0);
});

test("`trim()` leaves bytes that wait alone", () => {
  const out = new OutputBuffer();
  out.append(Buffer.from("unsent"));
  out.trim();
  out.trim();
  expect(text(out)).toBe("unsent");
});

test("passing the limit drops the bytes, says so, and takes nothing more", () => {
  const out = new OutputBuffer(2048);
  out.append(new Uint8Array(2000));
  out.append(new Uint8Array(49));
  expect(out.overflowed).toBe(true);
  expect(out.size).toBe(2000);
  out.append(new Uint8Array(2048));
  expect(out.size).toBe(2000);
});

test("`appendRange()` copies short and long ranges alike", () => {
  const source = Uint8Array.from({ length: 300 }, (_, i) => i);
  for (const [from, to] of [
    [0, 0],
    [3, 7],
    [10, 57],
    [10, 58],
    [1, 300],
    [0, 300],
  ]) {
    const out = new OutputBuffer();
    out.appendRange(source, from, to);
    expect(out.bytes.slice(out.start, out.end)).toEqual(source.slice(from, to));
  }
});
