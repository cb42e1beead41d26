import { expect, test } from "bun:test";
import { join } from "node:path";

const MODULE = join(import.meta.dir, "stderr.ts");

/** A program that writes `count` lines; exits 3 when that did any harm. */
function program(count: number) {
  const harm = `process.on("uncaughtException", () => process.exit(3)); process.on("unhandledRejection", () => process.exit(3));`;
  const lines = `for (let i = 0; i < ${count}; i++) write("line " + i + "x".repeat(100) + "\\n");`;
  const script = `import { stderrWriter } from ${JSON.stringify(MODULE)}; ${harm} const write = stderrWriter(); ${lines}`;
  return `${script} await Bun.sleep(200); write("last\\n"); await Bun.sleep(50); process.exit(0);`;
}

function run(count: number, shell: string): { code: number; out: string } {
  const { exitCode, stdout } = Bun.spawnSync(["sh", "-c", shell, process.execPath, program(count)]);
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
