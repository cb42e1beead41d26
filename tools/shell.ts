/**
 * The user's shell with everything that the README's commands need on PATH: the machine's own first, then what was fetched
 * into the clone. Arguments go to the shell, such as `-c "kubectl get pods"`.
 */
import { delimiter, dirname } from "node:path";
import { ensureKubectl } from "./kubectl.mjs";

process.on("SIGINT", () => {}); // Ctrl-C is for what runs in the shell
const { kubectl, helm } = ensureKubectl();
const path = [process.env["PATH"], dirname(kubectl), dirname(helm)].join(delimiter);
const shell = Bun.spawn([process.env["SHELL"] ?? "sh", ...process.argv.slice(2)], {
  env: { ...process.env, PATH: path },
  stdio: ["inherit", "inherit", "inherit"],
});
process.exit(await shell.exited);
