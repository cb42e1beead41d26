/** Writes src/contracts/gen from the .proto files. What is generated is committed; a test compares. */
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const out = process.argv[2] ?? "."; // a test generates elsewhere and compares

const done = Bun.spawnSync(
  ["buf", "generate", "--template", "src/contracts/proto/buf.gen.yaml", "--output", out, "src/contracts/proto"],
  { cwd: root, stdout: "inherit", stderr: "inherit" },
);
process.exit(done.exitCode);
