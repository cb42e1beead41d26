/** Everything that can be checked in seconds: format, lint, types, unit tests, architecture, documents. */
import { join } from "node:path";

const root = join(import.meta.dir, "..");
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
process.exit(failed === 0 ? 0 : 1);
