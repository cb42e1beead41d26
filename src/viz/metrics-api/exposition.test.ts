import { expect, test } from "bun:test";
import { type ExpositionHead, readExposition } from "./exposition.ts";

interface Read {
  readonly name: string;
  readonly labels: ExpositionHead["labels"];
  readonly value: number;
}

/** Reads with a sink that wants all and knows nothing. */
function check(text: string): { samples: Read[]; malformed: number } {
  const samples: Read[] = [];
  const malformed = readExposition(text, {
    recognize: () => -1,
    takeKnown: () => {},
    wants: () => true,
    take: (_text, _at, { name, labels }, value) => samples.push({ name, labels, value }),
  });
  return { samples, malformed };
}

test("names, labels, escapes and numbers are read", () => {
  const { samples, malformed } = check(
    '# TYPE a counter\na 1\nb{x="1",y="q\\"\\\\\\n"} 2.5 1700000000\nc{le="+Inf",} +Inf\nd{} NaN\n# EOF',
  );
  expect(malformed).toBe(0);
  expect(samples).toEqual([
    { name: "a", labels: {}, value: 1 },
    { name: "b", labels: { x: "1", y: 'q"\\\n' }, value: 2.5 },
    { name: "c", labels: { le: "+Inf" }, value: Number.POSITIVE_INFINITY },
    { name: "d", labels: {}, value: Number.NaN },
  ]);
});

test("a malformed line is counted and its neighbours are read", () => {
  const { samples, malformed } = check('a{x="1" 1\nb{x=1} 2\nc one\n{} 3\nd 4');
  expect(malformed).toBe(4);
  expect(samples.map(({ name }) => name)).toEqual(["d"]);
});

test("a label cut by the end of its line does not swallow the next line", () => {
  const { samples, malformed } = check('a{x="1\nb{y="2"} 3\n');
  expect(malformed).toBe(1);
  expect(samples).toEqual([{ name: "b", labels: { y: "2" }, value: 3 }]);
});

test("a line that is recognized is read from where its head ends", () => {
  const text = 'a{x="1"} 12 1700000000\nb 2.5e3\na{x="1"} 1234567890123456000\na{x="1"} -3\na{x="1"} 1x\n';
  const values: number[] = [];
  const malformed = readExposition(text, {
    recognize: (_text, at) => (text.startsWith('a{x="1"}', at) ? at + 8 : -1),
    takeKnown: (value) => values.push(value),
    wants: () => false,
    take: () => {},
  });
  expect(values).toEqual([12, 1234567890123456000, -3]);
  expect(malformed).toBe(1);
});

test("a line that is too long is malformed", () => {
  const { samples, malformed } = check(`a{x="${"y".repeat(17_000)}"} 1\nb 2\n`);
  expect([samples.map(({ name }) => name), malformed]).toEqual([["b"], 1]);
});
