// What a fresh clone needs before any TypeScript can run: the pinned Bun and the locked npm packages.
// Plain JavaScript on purpose: it runs on the machine's own Node. Everything lands in ignored folders of the clone.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
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

const PACKAGES_BYTES = 450e6; // measured: 290 MB of packages and 110 MB of build; rounded up
const COLD_BYTES = PACKAGES_BYTES + 250e6; // Bun, and its archive twice while it is fetched
const STALE_MS = 3_600_000;
const LINES_SHOWN = 5; // of a list with one line for each package

/** Ends the program with a message for people: what failed, then what to do. */
export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** Ends the program for an error nobody expected; what the file system refuses is said for people. */
export function failWith(error) {
  const at = error.path ? ` "${error.path}"` : "";
  if (["ENOSPC", "EDQUOT"].includes(error.code))
    fail(`Cannot write${at}: no space left; free some, and run this again`);
  if (["EROFS", "EACCES", "EPERM"].includes(error.code))
    fail(
      `Cannot write${at} (${error.code}): this clone cannot be written to by user ${process.getuid()}; clone into a folder of your own`,
    );
  fail(error.stack ?? String(error));
}

/** Progress goes to standard error, so that `--json` output stays alone on standard output. */
export function say(message) {
  process.stderr.write(`${message}\n`);
}

/** The environment in which tools keep what they remember inside the clone instead of the user's home. */
export function privateEnv(env = process.env) {
  const cache = join(toolsDir, "cache");
  return {
    ...env,
    XDG_CACHE_HOME: cache,
    BUN_INSTALL_CACHE_DIR: join(cache, "bun"),
    BUN_RUNTIME_TRANSPILER_CACHE_PATH: join(cache, "transpiled"),
  };
}

/** Path of the pinned Bun, fetched through npm and checked against its integrity when missing. */
export function ensureBun() {
  if (process.platform !== "linux")
    fail(`linkerd-ts needs Linux, this is ${process.platform}: use a Linux machine, container or VM`);
  const bun = join(toolsDir, `bun-${BUN_VERSION}`, "bun");
  if (existsSync(bun)) return bun;
  const variant = bunVariant();
  requireRoom(COLD_BYTES);
  say(`Fetching Bun ${BUN_VERSION} (${variant.name}) ...`);
  const scratch = openScratch();
  try {
    const tarball = fetchPackage(scratch, `${variant.name}@${BUN_VERSION}`, variant.integrity);
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

/** A folder for what is being fetched; what a killed run left is taken away. */
export function openScratch() {
  mkdirSync(toolsDir, { recursive: true });
  for (const name of readdirSync(toolsDir).filter((one) => one.startsWith("fetch-"))) {
    const path = join(toolsDir, name);
    if (Date.now() - statSync(path).mtimeMs > STALE_MS) rmSync(path, { recursive: true, force: true });
  }
  const scratch = mkdtempSync(join(toolsDir, "fetch-"));
  process.on("exit", () => rmSync(scratch, { recursive: true, force: true })); // also when fetching fails
  return scratch;
}

/** Fetches one npm package into `scratch`, checks it, and returns the path of its archive; ends the program otherwise. */
export function fetchPackage(scratch, reference, integrity) {
  const quiet = ["--loglevel=error", "--logs-max=0", "--update-notifier=false", "--cache", join(scratch, "npm")];
  const retries = ["--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=3000"];
  const packed = spawnSync("npm", ["pack", ...quiet, ...retries, reference], { cwd: scratch, encoding: "utf8" });
  if (packed.error) fail(`Cannot run npm (${packed.error.code}): it must be on PATH, as it comes with Node`);
  if (packed.status !== 0) {
    const said = packed.stderr.split("\n").filter((line) => /npm (error|ERR!)/.test(line) && !/[Ll]og/.test(line));
    fail(
      `Cannot fetch ${reference} with npm:\n${said.join("\n")}\nCheck the network and npm's registry setting (npm ping), and run this again`,
    );
  }
  const tarball = join(scratch, packed.stdout.trim().split("\n").at(-1));
  const got = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
  if (got !== integrity)
    fail(`${reference} has integrity ${got}, wanted ${integrity}: the registry served something else`);
  return tarball;
}

/** The clone can be written to and has so much space: better said before than found half way. */
export function requireRoom(bytes) {
  accessSync(root, constants.W_OK);
  const { bavail, bsize } = statfsSync(root);
  const megabytes = (count) => Math.round(count / 1e6);
  if (bavail * bsize < bytes)
    fail(
      `Only ${megabytes(bavail * bsize)} MB are free for ${root}: ${megabytes(bytes)} MB are needed for the tools, the packages and the build; free some, and run this again`,
    );
}

/** Installs the locked npm packages when the lock is newer than what is installed. No install script runs. */
export function ensurePackages(bun) {
  const lock = join(root, "bun.lock");
  const stamp = join(root, "node_modules", ".lock-digest");
  const digest = createHash("sha256").update(readFileSync(lock)).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  requireRoom(PACKAGES_BYTES);
  say("Installing npm packages ...");
  const installed = spawnSync(bun, ["install", "--frozen-lockfile", "--ignore-scripts", "--no-progress"], {
    cwd: root,
    env: privateEnv(),
    encoding: "utf8",
  });
  if (installed.status !== 0) {
    const said = `${installed.stdout}${installed.stderr}`.split("\n").filter((line) => line.trim() !== "");
    fail(
      `Cannot install the npm packages:\n${said.slice(0, LINES_SHOWN).join("\n")}\nCheck the network and npm's registry setting (npm ping), and run this again`,
    );
  }
  writeFileSync(stamp, digest);
}

/** Runs a command to its end, with its output kept; fails with that output. */
export function run(command, args, what, options = {}) {
  const done = spawnSync(command, args, { encoding: "utf8", ...options });
  if (done.status !== 0)
    fail(`Cannot ${what}: ${command} ${args.join(" ")}\n${done.stdout ?? ""}${done.stderr ?? ""}${done.error ?? ""}`);
  return done.stdout;
}
