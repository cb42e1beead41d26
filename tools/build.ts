/**
 * Builds dist/linkerd, the single executable. Split and ESM: what a program does not import costs it neither memory
 * nor start time (docs/decisions/0002-executable.md).
 */
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const outfile = join(root, "dist", "linkerd");

if (process.argv.includes("--if-stale") && isFresh()) process.exit(0);
mkdirSync(join(root, "dist"), { recursive: true });
const done = Bun.spawnSync(
  [
    "bun",
    "build",
    "--compile",
    "--minify-syntax",
    "--minify-whitespace",
    "--splitting",
    "--format=esm",
    "--target=bun",
    "--no-compile-autoload-bunfig",
    "--no-compile-autoload-dotenv",
    "bin/main.ts",
    "--outfile",
    outfile,
  ],
  { cwd: root, stdout: "pipe", stderr: "pipe" },
);
if (done.exitCode !== 0) {
  process.stderr.write(`Cannot build dist/linkerd:\n${done.stdout.toString()}${done.stderr.toString()}`);
  process.exit(1);
}
process.stderr.write(`built dist/linkerd (${Math.round(statSync(outfile).size / 1e6)} MB)\n`);

function isFresh(): boolean {
  try {
    const builtAtMs = statSync(outfile).mtimeMs;
    const sources = new Bun.Glob("{bin,src}/**/*.ts").scanSync(root);
    for (const file of sources) if (statSync(join(root, file)).mtimeMs > builtAtMs) return false;
    return statSync(join(root, "package.json")).mtimeMs <= builtAtMs;
  } catch {
    return false; // not built yet
  }
}
