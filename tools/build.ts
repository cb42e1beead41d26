/**
 * Builds dist/linkerd, the single executable, and dist/voting, the sample application. Split and ESM: what a program does
 * not import costs it neither memory nor start time (docs/decisions/0002-executable.md).
 *   --if-stale   only when a source is newer than what is there
 */
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const dist = join(root, "dist");
const executable = join(dist, "linkerd");
const sample = join(dist, "voting");
const contract = "shop.proto"; // the sample reads it when it starts, from beside itself

if (process.argv.includes("--if-stale") && isFresh()) process.exit(0);
mkdirSync(dist, { recursive: true });
for (const name of readdirSync(dist)) if (name.endsWith(".bun-build")) rmSync(join(dist, name)); // of a build that was killed
buildSample();
buildExecutable();
process.stderr.write(`built dist/linkerd (${Math.round(statSync(executable).size / 1e6)} MB)\n`);

function buildExecutable(): void {
  bun("dist/linkerd", [
    "--compile",
    "--bytecode",
    "--minify-syntax",
    "--minify-whitespace",
    "--minify-identifiers",
    "--sourcemap=inline",
    "--no-compile-autoload-bunfig",
    "--no-compile-autoload-dotenv",
    join(root, "bin/main.ts"),
    "--outfile",
    executable,
  ]);
  // The executable has them in it as well: its stack traces name our files and lines, short names or not.
  for (const name of readdirSync(dist)) if (name.endsWith(".map")) rmSync(join(dist, name));
  chmodSync(executable, 0o755); // containers run it as user ids of their own, whatever this user's umask
}

function buildSample(): void {
  rmSync(sample, { recursive: true, force: true });
  bun("dist/voting", [join(root, "examples/voting/main.ts"), "--outdir", sample]);
  copyFileSync(join(root, "examples/voting", contract), join(sample, contract));
  chmodSync(sample, 0o755);
  for (const file of readdirSync(sample)) chmodSync(join(sample, file), 0o644);
}

/** Bun keeps its unfinished file in the working directory: an ignored folder. */
function bun(what: string, args: readonly string[]): void {
  const done = Bun.spawnSync(["bun", "build", "--splitting", "--format=esm", "--target=bun", ...args], {
    cwd: dist,
    stdout: "pipe",
    stderr: "pipe",
  });
  if (done.exitCode === 0) return;
  process.stderr.write(`Cannot build ${what}:\n${done.stdout.toString()}${done.stderr.toString()}`);
  process.exit(1);
}

function isFresh(): boolean {
  try {
    const builtAtMs = Math.min(statSync(executable).mtimeMs, statSync(join(sample, contract)).mtimeMs);
    const sources = new Bun.Glob("{bin,src,examples}/**/*.{ts,proto}").scanSync(root);
    const all = [...sources, "package.json", "bun.lock", "tools/build.ts"];
    return all.every((file) => statSync(join(root, file)).mtimeMs <= builtAtMs);
  } catch {
    return false; // not built yet
  }
}
