/**
 * `npm test`: builds, then runs every test file there is, and ends with `N passed, N failed`. Unit tests run two files at a
 * time; tests that share the machine's namespaces one after the other. Arguments narrow the run: `npm test -- src/wire`.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const scratch = mkdtempSync(join(tmpdir(), "linkerd-ts-test-"));
/** A single test may take this long; a file of many tests, or one that hangs, so long in all. */
const TEST_LIMIT_MS = 120_000;
const FILE_LIMIT_MS = 300_000;
const PARALLEL = 2;
const SLOWEST = 8;
const SAY_MS = 100;
/** Under these, files open nothing but loopback sockets on ports of their own. */
const SIDE_BY_SIDE = /^(src|test\/(conformance|fuzz|sim))\//;

interface FileResult {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly ms: number;
}

const results: FileResult[] = [];
let stepsPassed = 0;
let stepsFailed = 0;

try {
  const only = process.argv.slice(2);
  if (only.length === 0) {
    step("format and lint", ["biome", "check", "--error-on-warnings", "."]);
    step("types", ["tsc", "-p", "."]);
  }
  step("build", ["bun", "tools/build.ts"]);
  const found = [...new Bun.Glob("{src,test,bench,bin,tools,examples}/**/*.test.ts").scanSync(root)].sort();
  const files = found.filter((file) => !file.startsWith("test/long/"));
  const wanted = only.length === 0 ? files : files.filter((file) => only.some((path) => file.startsWith(path)));
  if (wanted.length === 0)
    throw new Error(`No test file under ${only.join(" ")}: paths are relative to the project, like src/wire`);
  await runAll(
    wanted.filter((file) => SIDE_BY_SIDE.test(file)),
    PARALLEL,
  );
  await runAll(
    wanted.filter((file) => !SIDE_BY_SIDE.test(file)),
    1,
  );
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const slowest = results.toSorted((a, b) => b.ms - a.ms).slice(0, SLOWEST);
process.stderr.write(`slowest files:\n${slowest.map(({ file, ms }) => `  ${seconds(ms)} ${file}\n`).join("")}`);
const passed = stepsPassed + results.reduce((sum, result) => sum + result.passed, 0);
const failed = stepsFailed + results.reduce((sum, result) => sum + result.failed, 0);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);

function step(name: string, command: string[]): void {
  const done = Bun.spawnSync(command, { cwd: root, stdout: "pipe", stderr: "pipe" });
  if (done.exitCode === 0) {
    stepsPassed++;
    process.stderr.write(`ok     ${name}\n`);
    return;
  }
  stepsFailed++;
  process.stderr.write(`FAILED ${name}\n${done.stdout.toString()}${done.stderr.toString()}\n`);
}

/** Runs files in order, so many at a time. */
async function runAll(files: readonly string[], atOnce: number): Promise<void> {
  const queue = [...files];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) await runFile(file);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** One Bun per file: a crash costs one file, and nothing leaks from one file into the next. */
async function runFile(file: string): Promise<void> {
  const report = join(scratch, `${file.replaceAll("/", "_")}.xml`);
  const startedAtMs = performance.now();
  const child = Bun.spawn(
    [
      ...tie(),
      ...["bun", "test", "--timeout", String(TEST_LIMIT_MS), "--reporter=junit", `--reporter-outfile=${report}`],
      `./${file}`,
    ],
    { cwd: root, stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: FILE_LIMIT_MS, killSignal: "SIGKILL" },
  );
  const output = collect(child.stdout, child.stderr);
  const code = await child.exited;
  const ms = performance.now() - startedAtMs;
  const counts = read(report);
  // A file that ends badly without naming a failed test (a crash, a syntax error, the limit) counts as one.
  const failed = counts.failed + (code !== 0 && counts.failed === 0 ? 1 : 0);
  results.push({ file, passed: counts.passed, failed, ms });
  process.stderr.write(`${failed === 0 ? "ok    " : "FAILED"} ${seconds(ms)} ${file} (${counts.passed})\n`);
  if (failed === 0) return;
  const why = child.signalCode === "SIGKILL" ? `killed after ${FILE_LIMIT_MS / 1_000} s\n` : "";
  await Bun.sleep(SAY_MS); // not until the end of the pipes: a process that was left behind may hold them
  process.stderr.write(`${why}${output()}\n`);
}

/** A test ends when this process is killed, with what it holds by pipes. */
function tie(): string[] {
  return Bun.which("setpriv") ? ["setpriv", "--pdeathsig", "KILL", "--"] : [];
}

/** Everything said on the streams, as far as it has come when it is asked for. */
function collect(...streams: ReadableStream<Uint8Array>[]): () => string {
  const texts = streams.map(() => "");
  for (const [index, stream] of streams.entries()) {
    const decoder = new TextDecoder();
    void (async () => {
      for await (const chunk of stream) texts[index] += decoder.decode(chunk, { stream: true });
    })();
  }
  return () => texts.join("");
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1).padStart(5)} s`;
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
