import { expect, test } from "bun:test";
import { join } from "node:path";

const MAIN = join(import.meta.dir, "../../bin/main.ts");

async function runAwait(...args: string[]): Promise<{ code: number; errors: string }> {
  const child = Bun.spawn([process.execPath, MAIN, "await", ...args], { stdout: "ignore", stderr: "pipe" });
  const errors = await new Response(child.stderr).text();
  return { code: await child.exited, errors };
}

test("linkerd await returns once the proxy says it is ready, not before", async () => {
  let asked = 0;
  using proxy = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response("", { status: ++asked < 4 ? 503 : 200 }),
  });
  expect(await runAwait("--port", String(proxy.port), "--timeout", "30s")).toEqual({ code: 0, errors: "" });
  expect(asked).toBe(4);
});

test("linkerd await gives up in time and says where to look", async () => {
  using proxy = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("", { status: 503 }) });
  const { code, errors } = await runAwait("--port", String(proxy.port), "--timeout", "200ms");
  expect(code).toBe(1);
  expect(errors).toContain("not ready within 200ms");
});

test("linkerd await refuses flags it cannot use", async () => {
  expect((await runAwait("--port", "http")).code).toBe(64);
  expect((await runAwait("--timeout", "soon")).errors).toContain('Cannot parse duration "soon"');
});
