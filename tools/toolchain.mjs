// What a fresh clone needs before any TypeScript can run: the pinned Bun and the locked npm packages.
// Plain JavaScript on purpose: it runs on the machine's own Node. Everything lands in ignored folders of the clone.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const toolsDir = join(root, ".tools");

const BUN_VERSION = "1.4.5";
const BUN_PACKAGES = {
  x64: {
    name: "@oven/bun-linux-x64",
    integrity: "sha512-IWX9BELoGHAUtMonkeSaNaZwXzRk+oDw6Mk+HBFXd3KHYIBNBsIGRupMZPcgNoDbJpLu6gAJjIoIVPZtt1aJ1g==",
  },
  "x64-baseline": {
    name: "@oven/bun-linux-x64-baseline",
    integrity: "sha512-s8yMwYcFnnrA178gji0gZbkE2WVDej/Ti1x770oPfihxyRxSMNhGhiAQNXV53aDeraZxksdvKV/RAdQBCd0qPA==",
  },
  arm64: {
    name: "@oven/bun-linux-aarch64",
    integrity: "sha512-4BXmsSKnjOrlGWqZV4x/oWa7AVoR+B6lCXddMzOAXBIm3t50eslg9wb66gmtW1AamEQ1l1CDvmmruysEhqOWMg==",
  },
};

/** Ends the program with a message for people: what failed, then what to do. */
export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** Progress goes to standard error, so that `--json` output stays alone on standard output. */
export function say(message) {
  process.stderr.write(`${message}\n`);
}

/** Path of the pinned Bun, fetched through npm and checked against its integrity when missing. */
export function ensureBun() {
  if (process.platform !== "linux")
    fail(`linkerd-ts needs Linux, this is ${process.platform}: use a Linux machine, container or VM`);
  const bun = join(toolsDir, `bun-${BUN_VERSION}`, "bun");
  if (existsSync(bun)) return bun;
  const variant = bunVariant();
  say(`Fetching Bun ${BUN_VERSION} (${variant.name}) ...`);
  mkdirSync(toolsDir, { recursive: true });
  const scratch = mkdtempSync(join(toolsDir, "fetch-"));
  try {
    const packed = spawnSync("npm", ["pack", "--silent", `${variant.name}@${BUN_VERSION}`], {
      cwd: scratch,
      encoding: "utf8",
    });
    if (packed.status !== 0)
      fail(
        `Cannot fetch ${variant.name}@${BUN_VERSION} with npm:\n${packed.stderr}\nCheck the network and npm's registry setting (npm ping)`,
      );
    const tarball = join(scratch, packed.stdout.trim().split("\n").at(-1));
    const got = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
    if (got !== variant.integrity)
      fail(`Bun's package has integrity ${got}, wanted ${variant.integrity}: the registry served something else`);
    run("tar", ["-xzf", tarball, "-C", scratch], "unpack Bun");
    const home = dirname(bun);
    mkdirSync(home, { recursive: true });
    renameSync(join(scratch, "package", "bin", "bun"), bun);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return bun;
}

function bunVariant() {
  if (process.arch === "arm64") return BUN_PACKAGES.arm64;
  if (process.arch !== "x64") fail(`No Bun for processor ${process.arch}: x64 and arm64 are supported`);
  const hasAvx2 = readFileSync("/proc/cpuinfo", "utf8").includes(" avx2 ");
  return hasAvx2 ? BUN_PACKAGES.x64 : BUN_PACKAGES["x64-baseline"];
}

/** Installs the locked npm packages when the lock is newer than what is installed. No install script runs. */
export function ensurePackages(bun) {
  const lock = join(root, "bun.lock");
  const stamp = join(root, "node_modules", ".lock-digest");
  const digest = createHash("sha256").update(readFileSync(lock)).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  say("Installing npm packages ...");
  const installed = spawnSync(bun, ["install", "--frozen-lockfile", "--ignore-scripts", "--no-progress"], {
    cwd: root,
    encoding: "utf8",
  });
  if (installed.status !== 0)
    fail(
      `Cannot install the npm packages:\n${installed.stdout}${installed.stderr}\nCheck the network and npm's registry setting (npm ping)`,
    );
  writeFileSync(stamp, digest);
}

/** Runs a command to its end, with its output kept; fails with that output. */
export function run(command, args, what, options = {}) {
  const done = spawnSync(command, args, { encoding: "utf8", ...options });
  if (done.status !== 0)
    fail(`Cannot ${what}: ${command} ${args.join(" ")}\n${done.stdout ?? ""}${done.stderr ?? ""}${done.error ?? ""}`);
  return done.stdout;
}

/** True when `file` exists and is not older than any of `sources` (seconds of change compared by the file system). */
export function isFresh(file, sources) {
  if (!existsSync(file)) return false;
  const at = statSync(file).mtimeMs;
  return sources.every((source) => statSync(source).mtimeMs <= at);
}
