/** `npm run test:long`: soaks and long runs, under test/long; writes a dated result with the commit to test/results/. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const commit = Bun.spawnSync(["git", "rev-parse", "--short", "HEAD"], { cwd: root }).stdout.toString().trim();
const startedAt = new Date().toISOString();
const done = Bun.spawnSync(["bun", "test", "--timeout", "3600000", "./test/long"], {
  cwd: root,
  stdout: "pipe",
  stderr: "pipe",
});
const output = `${done.stdout.toString()}${done.stderr.toString()}`;
const result = { commit, startedAt, endedAt: new Date().toISOString(), passed: done.exitCode === 0, output };
mkdirSync(join(root, "test/results"), { recursive: true });
writeFileSync(
  join(root, "test/results", `${startedAt.slice(0, 10)}-${commit}.json`),
  `${JSON.stringify(result, null, 2)}\n`,
);
process.stdout.write(output);
process.exit(done.exitCode);
