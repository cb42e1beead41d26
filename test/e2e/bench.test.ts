/** `npm run bench -- --json` prints the promised shape; what the figures are is not for a test to say. */
import { expect, test } from "bun:test";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

test("the benchmark prints machine, subjects, scenarios and ratios as one JSON object", async () => {
  const command = ["node", "tools/run.mjs", "bench", "--json", "--only", "startup", "--seconds", "1", "--rounds", "1"];
  const child = Bun.spawn(command, { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [text, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  expect({ code, errors: code === 0 ? "" : errors }).toEqual({ code: 0, errors: "" });
  const report = JSON.parse(text);
  expect(Object.keys(report)).toEqual(["machine", "subjects", "scenarios", "ratios"]);
  expect(report.subjects).toEqual(["linkerd-ts", "nginx", "haproxy", "nghttpx", "direct"]);
  expect(report.machine).toMatchObject({ secondsPerRun: 1, rounds: 1 });
  expect(report.scenarios).toEqual([
    { name: "startup", subject: "linkerd-ts", listeningMs: expect.any(Number), ms: expect.any(Number) },
  ]);
  expect(report.ratios).toEqual({});
}, 60_000);

test("the benchmark refuses a scenario that it does not have, and names those it has", async () => {
  const child = Bun.spawn(["node", "tools/run.mjs", "bench", "--only", "nonsense"], { cwd: ROOT, stderr: "pipe" });
  const errors = await new Response(child.stderr).text();
  expect(await child.exited).not.toBe(0);
  expect(errors).toContain("Unknown scenario nonsense: wanted one of http1-mtls, http2-mtls, opaque-mtls");
});
