import { expect, test } from "bun:test";
import { fixedTable, leftTable, percent, rps, statTable } from "./table.ts";

test("the stat table aligns names left and values right, three spaces apart", () => {
  expect(
    statTable(
      ["NAME", "MESHED", "SUCCESS"],
      [
        ["web", "1/1", "100.00%"],
        ["payment", "0/1", "-"],
      ],
    ),
  ).toBe("NAME      MESHED   SUCCESS\nweb          1/1   100.00%\npayment      0/1         -\n");
});

test("the left table aligns everything left", () => {
  expect(leftTable(["IP", "PORT"], [["10.0.0.1", "80"]])).toBe("IP         PORT\n10.0.0.1   80  \n");
});

test("the fixed table puts two spaces after every column and lets flexible ones grow", () => {
  const columns = [
    { header: "CLUSTER", width: 7, flexible: true },
    { header: "ALIVE", width: 7, align: "right" as const },
  ];
  expect(fixedTable(columns, [["northwest", "True"]])).toBe("CLUSTER      ALIVE  \nnorthwest     True  \n");
});

test("a sign counts as one column", () => {
  expect(statTable(["SRC", "SECURED"], [["web", "√"]], 1)).toBe("SRC   SECURED\nweb         √\n");
});

test("numbers are written as Linkerd writes them", () => {
  expect([percent(0.995), percent(undefined), rps(2)]).toEqual(["99.50%", "-", "2.0rps"]);
});
