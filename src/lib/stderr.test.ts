import { expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MODULE = join(import.meta.dir, "stderr.ts");

/** A program that writes `count` lines, makes the file `written`, and waits until all is taken; exits 3 when that did any harm. */
function program(count: number, written = "/dev/null") {
  const harm = `process.on("uncaughtException", () => process.exit(3)); process.on("unhandledRejection", () => process.exit(3));`;
  const lines = `for (let i = 0; i < ${count}; i++) writer.write("line " + i + "x".repeat(100) + "\\n");`;
  const script = `import { StderrWriter } from ${JSON.stringify(MODULE)}; ${harm} const writer = new StderrWriter(); ${lines}`;
  const end = `await writer.drained(1000); writer.write("last\\n"); await writer.drained(1000); process.exit(0);`;
  return `${script} require("fs").writeFileSync(${JSON.stringify(written)}, ""); ${end}`;
}

function run(count: number, shell: string, written?: string): { code: number; out: string } {
  const { exitCode, stdout } = Bun.spawnSync(["sh", "-c", shell, process.execPath, program(count, written)]);
  return { code: exitCode, out: stdout.toString() };
}

test("lines arrive in their order", () => {
  const { code, out } = run(2_000, 'exec "$0" -e "$1" 2>&1');
  expect(code).toBe(0);
  const lines = out.trimEnd().split("\n");
  expect(lines).toHaveLength(2_001);
  expect(lines.slice(0, -1).every((line, i) => line.startsWith(`line ${i}x`))).toBe(true);
  expect(lines.at(-1)).toBe("last");
});

test.each([
  ["that closes at once", "exec 3>&1; { $BUN 2>&1 >/dev/null; echo $? >&3; } | true"],
  ["that closes while text is waiting", "exec 3>&1; { $BUN 2>&1 >/dev/null; echo $? >&3; } | sleep 0.1"],
  ["that is not there", "$BUN 2>&-; echo $?"],
])("a reader %s does no harm", (_what, shell) => {
  expect(run(2_000, shell.replace("$BUN", '"$0" -e "$1"')).out).toBe("0\n");
});

test("what a reader does not take in time is lost, and it is told how much", () => {
  const written = join(mkdtempSync(join(tmpdir(), "stderr-")), "written");
  const reader = `while [ ! -e ${written} ]; do sleep 0.02; done; cat`;
  const { out } = run(50_000, `"$0" -e "$1" 2>&1 >/dev/null | { ${reader}; }`, written);
  const lines = out.trimEnd().split("\n");
  const kept = lines.filter((line) => line.startsWith("line ")).length;
  expect(kept).toBeGreaterThan(5_000);
  expect(lines.slice(-2)).toEqual([`${50_000 - kept} messages were lost here: nobody read them in time`, "last"]);
});
