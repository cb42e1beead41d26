/** Everything that can be checked in seconds: format, lint, types, unit tests, architecture, documents. */
import { readdirSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const MAX_LONG_RUN_DAYS = 14;
const steps: [string, string[]][] = [
  ["format and lint", ["biome", "check", "--error-on-warnings", "."]],
  ["types", ["tsc", "-p", "."]],
  ["unit tests, architecture, documents", ["bun", "test", "src", "test/architecture.test.ts", "test/docs.test.ts"]],
];

let failed = 0;
for (const [name, command] of steps) {
  const done = Bun.spawnSync(command, { cwd: root, stdout: "pipe", stderr: "pipe" });
  process.stdout.write(`${done.exitCode === 0 ? "ok    " : "FAILED"} ${name}\n`);
  if (done.exitCode !== 0) {
    failed++;
    process.stdout.write(`${done.stdout.toString()}${done.stderr.toString()}`);
  }
}
const age = daysSinceLongRun();
if (age === undefined) process.stdout.write("warn   npm run test:long has no result yet (test/results)\n");
else if (age > MAX_LONG_RUN_DAYS)
  process.stdout.write(`warn   the last npm run test:long is ${Math.floor(age)} days old\n`);
process.exit(failed === 0 ? 0 : 1);

/** Age of the newest dated result, or undefined when there is none. */
function daysSinceLongRun(): number | undefined {
  const dates = readdirSync(join(root, "test/results")).flatMap((name) => /^\d{4}-\d{2}-\d{2}/.exec(name) ?? []);
  const newest = dates.sort().at(-1);
  return newest === undefined ? undefined : (Date.now() - Date.parse(newest)) / 86_400_000;
}
