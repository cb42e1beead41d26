/** Formats everything and applies the safe lint fixes. */
import { join } from "node:path";

const done = Bun.spawnSync(["biome", "check", "--write", "."], {
  cwd: join(import.meta.dir, ".."),
  stdout: "inherit",
  stderr: "inherit",
});
process.exit(done.exitCode);
