import { expect, test } from "bun:test";
import { type ExpositionSample, readExposition } from "./exposition.ts";

function check(text: string): { samples: ExpositionSample[]; malformed: number } {
  const samples: ExpositionSample[] = [];
  const malformed = readExposition(
    text,
    () => true,
    (sample) => samples.push(sample),
  );
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
