/** The README's first command as a newcomer types it: in a fresh clone, as root and as an ordinary user. */
import { afterEach, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { DemoReport } from "../../tools/demo/report.ts";
import { asNewcomer, type CloneRun, FreshClone, installIdMaps } from "../support/fresh-clone.ts";

const DEMO = ["npm", "run", "demo", "--", "--once", "--json"];
const isRoot = process.getuid?.() === 0;
let clone: FreshClone;
afterEach(() => clone.remove());

function checkReport({ code, out, err }: CloneRun): void {
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
  const report = JSON.parse(out) as DemoReport; // the whole of standard output
  expect(Object.keys(report).sort()).toEqual(["check", "edges", "proxies", "readyMs", "sent", "stat"]);
  expect(report.check.failed).toBe(0);
  expect(report.edges.length).toBeGreaterThan(4);
  expect(report.edges.filter(({ secured }) => !secured)).toEqual([]);
  expect(report.proxies.length).toBe(10);
  for (const step of ["Installing npm packages", "Building dist/linkerd", "Sending traffic"])
    expect(err).toContain(step);
}

test("the demo runs in a clone whose path is longer than a socket's name, and writes nowhere else", async () => {
  clone = new FreshClone(`${"a-rather-deep-folder/".repeat(8)}end`);
  expect(clone.path.length).toBeGreaterThan(108);
  checkReport(await clone.run(DEMO));
  expect(clone.strayFiles()).toEqual([]);
  expect(readdirSync(join(clone.path, ".tools", "playground"))).toEqual([]);
});

test("the demo runs for an ordinary user whose umask hides files from others", async () => {
  clone = new FreshClone();
  const idMaps = isRoot ? await installIdMaps(clone) : "";
  const user = isRoot ? asNewcomer(clone, { umask: "077", hasSubordinateIds: true }) : [];
  checkReport(await clone.run([...user, ...DEMO], { PATH: [clone.env().PATH, idMaps].filter(Boolean).join(":") }));
});

test("an ordinary user without ids for pods is told in one line what to do", async () => {
  clone = new FreshClone();
  const idMaps = isRoot ? await installIdMaps(clone) : "";
  const user = isRoot ? asNewcomer(clone, { umask: "022", hasSubordinateIds: false }) : [];
  if (!isRoot) return; // an ordinary user's own ids cannot be taken away
  const { code, out, err } = await clone.run([...user, ...DEMO], { PATH: `${clone.env().PATH}:${idMaps}` });
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err.trimEnd().split("\n").at(-1)).toBe(
    "The demo failed: the playground did not start. User newcomer has no range of user ids in /etc/subuid: run `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 newcomer` as root",
  );
});
