// Entry of every npm command: makes the tools ready, then hands over to Bun.
import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { debianEnv, ensureDebian } from "./debian.mjs";
import { ensureBun, ensurePackages, fail, root } from "./toolchain.mjs";

/** npm command -> Debian groups it needs, and the file Bun runs. */
const COMMANDS = {
  demo: { debian: ["playground"], file: "tools/demo.ts" },
  test: { debian: ["playground", "capture"], file: "tools/test.ts" },
  "test:long": { debian: ["playground", "capture"], file: "tools/test-long.ts" },
  bench: { debian: ["playground", "bench", "capture"], file: "bench/main.ts" },
  build: { debian: [], file: "tools/build.ts" },
  ok: { debian: [], file: "tools/ok.ts" },
  fix: { debian: [], file: "tools/fix.ts" },
  generate: { debian: [], file: "tools/generate.ts" },
};

const [name, ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (!command) fail(`Unknown command "${name}": wanted one of ${Object.keys(COMMANDS).join(", ")}`);

const bun = ensureBun();
ensurePackages(bun);
for (const group of command.debian) ensureDebian(group);

const env = debianEnv();
env.PATH = [join(bun, ".."), join(root, "node_modules", ".bin"), env.PATH].join(delimiter);
const child = spawn(bun, ["run", join(root, command.file), ...args], { cwd: root, env, stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
