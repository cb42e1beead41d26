// Entry of every npm command: makes the tools ready, then hands over to Bun.
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { debianEnv, ensureDebian } from "./debian.mjs";
import { ensureBun, ensurePackages, fail, failWith, privateEnv, root } from "./toolchain.mjs";

/** Bun's own collections, one a second, would be measured along with what is measured: the benchmark goes without them. */
const QUIET = { BUN_GC_TIMER_DISABLE: "1" };

/** npm command -> Debian groups it needs, the file Bun runs, and what is added to its environment. */
const COMMANDS = {
  demo: { debian: ["playground"], file: "tools/demo.ts" },
  test: { debian: ["playground", "capture", "user"], file: "tools/test.ts" },
  "test:long": { debian: ["playground", "capture"], file: "tools/test-long.ts" },
  bench: { debian: ["playground", "bench", "capture"], file: "bench/main.ts", env: QUIET },
  shell: { debian: ["playground"], file: "tools/shell.ts" },
  build: { debian: [], file: "tools/build.ts" },
  ok: { debian: [], file: "tools/ok.ts" },
  fix: { debian: [], file: "tools/fix.ts" },
  generate: { debian: [], file: "tools/generate.ts" },
};
const PARENT_POLL_MS = 200;

const [name, ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (!command) fail(`Unknown command "${name}": wanted one of ${Object.keys(COMMANDS).join(", ")}`);
process.on("uncaughtException", failWith);

const startedBy = starters();
const bun = ensureBun();
ensurePackages(bun);
for (const group of command.debian) ensureDebian(group);

const env = { ...debianEnv(privateEnv()), ...command.env };
env.PATH = [join(bun, ".."), join(root, "node_modules", ".bin"), env.PATH].join(delimiter);
const [program, ...words] = [...tie(), bun, "run", join(root, command.file), ...args];
const child = spawn(program, words, { cwd: root, env, stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
setInterval(() => {
  if (startedBy.some((pid, at) => parentOf(at === 0 ? process.pid : startedBy[at - 1]) !== pid)) child.kill("SIGTERM");
}, PARENT_POLL_MS).unref();
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));

/** Bun ends when this process is killed, where the machine has the means to say so (util-linux). */
function tie() {
  const words = ["setpriv", "--pdeathsig", "TERM", "--"];
  return spawnSync(words[0], [...words.slice(1), "true"], { stdio: "ignore" }).status === 0 ? words : [];
}

/** Whose end is ours too: npm, and the shell that some npms leave between. Nobody when started otherwise. */
function starters() {
  if (!process.env.npm_lifecycle_event) return [];
  const isShell = readText(`/proc/${process.ppid}/cmdline`).split("\0")[1] === "-c";
  return isShell ? [process.ppid, parentOf(process.ppid)] : [process.ppid];
}

function parentOf(pid) {
  return Number(/^PPid:\s*(\d+)/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? 0);
}

function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // that process has ended
  }
}
