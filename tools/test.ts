/**
 * `npm test`: builds, then runs every test file there is, and ends with `N passed, N failed`.
 * Tests that share the machine's namespaces run one file after the other. Arguments narrow the run: `npm test -- src/wire`.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const scratch = mkdtempSync(join(tmpdir(), "linkerd-ts-test-"));
let passed = 0;
let failed = 0;

try {
  const only = process.argv.slice(2);
  if (only.length === 0) {
    step("format and lint", ["biome", "check", "--error-on-warnings", "."]);
    step("types", ["tsc", "-p", "."]);
  }
  step("build", ["bun", "tools/build.ts"]);
  const found = [...new Bun.Glob("{src,test,bench,tools,examples}/**/*.test.ts").scanSync(root)].sort();
  const files = only.length === 0 ? found : found.filter((file) => only.some((wanted) => file.startsWith(wanted)));
  if (files.length === 0)
    throw new Error(`No test file under ${only.join(" ")}: paths are relative to the project, like src/wire`);
  run(files);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);

function step(name: string, command: string[]): void {
  const done = Bun.spawnSync(command, { cwd: root, stdout: "pipe", stderr: "pipe" });
  if (done.exitCode === 0) {
    passed++;
    process.stderr.write(`ok     ${name}\n`);
    return;
  }
  failed++;
  process.stderr.write(`FAILED ${name}\n${done.stdout.toString()}${done.stderr.toString()}\n`);
}

/** One Bun per file: a crash costs one file, and nothing leaks from one file into the next. */
function run(files: readonly string[]): void {
  for (const file of files) {
    const report = join(scratch, "report.xml");
    rmSync(report, { force: true });
    const done = Bun.spawnSync(
      ["bun", "test", "--timeout", "120000", "--reporter=junit", `--reporter-outfile=${report}`, `./${file}`],
      { cwd: root, stdout: "pipe", stderr: "pipe" },
    );
    const counts = read(report);
    passed += counts.passed;
    // A file that ends badly without naming a failed test (a crash, a syntax error) counts as one.
    const failures = counts.failed + (done.exitCode !== 0 && counts.failed === 0 ? 1 : 0);
    failed += failures;
    process.stderr.write(`${failures === 0 ? "ok    " : "FAILED"} ${file} (${counts.passed})\n`);
    if (failures > 0) process.stderr.write(`${done.stdout.toString()}${done.stderr.toString()}\n`);
  }
}

/** A skipped test counts as failed: nothing is skipped in silence. */
function read(report: string): { passed: number; failed: number } {
  let text = "";
  try {
    text = readFileSync(report, "utf8");
  } catch {
    return { passed: 0, failed: 0 }; // the runner died before reporting; the caller sees its exit code
  }
  const head = text.match(/<testsuites[^>]*>/)?.[0] ?? "";
  const number = (name: string): number => Number(head.match(new RegExp(` ${name}="(\\d+)"`))?.[1] ?? 0);
  const bad = number("failures") + number("errors") + number("skipped");
  return { passed: number("tests") - bad, failed: bad };
}
