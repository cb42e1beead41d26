/** The failing call mended: the numbers say so, and the demo, which expects it to fail, says so too. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { DemoReport } from "../../tools/demo/report.ts";
import { alterDeployment, MeshPlayground, START_MS, totalOf } from "../support/mesh-playground.ts";

let mesh: MeshPlayground;
let report: DemoReport;
let problems: string[];

beforeAll(async () => {
  mesh = await MeshPlayground.start({
    alter: (manifest) =>
      alterDeployment(manifest, "voting", ({ spec }) => {
        spec!.template.spec!.containers[0]!.env = [{ name: "MENDED", value: "true" }];
      }),
  });
  ({ report, problems } = await mesh.assess());
}, START_MS);
afterAll(() => mesh?.stop());

test("no request fails, at the generator and in every row", () => {
  expect(totalOf(report.sent)).toMatchObject({ failed: 0, lost: 0 });
  expect(report.stat.map(({ name, success }) => [name, success])).toEqual(
    ["prices", "products", "products-slow", "traffic", "voting", "web"].map((name) => [name, 1]),
  );
});

test("what is found wrong names the two parts that should fail, and no other", () => {
  expect(problems.sort()).toEqual([
    "voting shows no failures, but voting for doughnut fails on purpose",
    "web shows no failures, but voting for doughnut fails on purpose",
  ]);
});

test("nothing else changes: all meshed, all secured", () => {
  expect(report.stat.map(({ meshed }) => meshed)).toEqual(Array(6).fill("1/1"));
  expect(report.edges.filter(({ secured }) => !secured)).toEqual([]);
  expect(report.check.failed).toBe(0);
});
