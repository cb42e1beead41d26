/**
 * `npm run demo`: the whole mesh on this machine. Starts a playground, installs the mesh with the same manifests as on a
 * cluster, runs the voting shop in it, and shows what the mesh sees.
 *   --once   exit after printing, non-zero if anything is not as it should be
 *   --json   one JSON object on standard output, and nothing else there
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { assess } from "./demo/assess.ts";
import { DemoCluster } from "./demo/cluster.ts";
import { DemoHome } from "./demo/home.ts";
import { installMesh, installShop, shopManifest } from "./demo/install.ts";
import { Linkerd } from "./demo/linkerd.ts";
import { type Playground, startPlayground } from "./demo/playground.ts";
import { printReport } from "./demo/print.ts";
import { Progress } from "./demo/progress.ts";
import { NAMESPACE, resume } from "./demo/traffic.ts";

const root = join(import.meta.dir, "..");
const executable = join(root, "dist", "linkerd");
/** Ctrl-C reaches the demo's commands too: their failure may be seen before the signal is. */
const SIGNAL_MS = 100;

const { values: options } = parseArgs({
  options: { once: { type: "boolean" }, json: { type: "boolean" }, name: { type: "string" } },
});
const progress = new Progress();
const home = new DemoHome(root, options.name);
let playground: Playground | undefined;
let isInterrupted = false;
const interrupted = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      isInterrupted = true;
      resolve();
    });
});

try {
  build();
  progress.step("Starting the playground");
  home.open();
  playground = await startPlayground(executable, home.name, { ...process.env, LINKERD_PLAYGROUND_STATE: home.path });
  const died = untilDead(playground);
  const problems = await Promise.race([show(playground), interrupted, died]);
  if (problems && !options.once) await Promise.race([interrupted, died]);
  process.exitCode = !problems ? 130 : problems.length > 0 && options.once ? 1 : 0;
} catch (thrown) {
  progress.done();
  await Promise.race([interrupted, Bun.sleep(SIGNAL_MS)]);
  process.exitCode = isInterrupted ? 130 : 1;
  if (!isInterrupted) process.stderr.write(`The demo failed: ${(thrown as Error).message}\n`);
} finally {
  progress.done();
  if (isInterrupted && !options.json) process.stderr.write("Ending the playground ...\n");
  await playground?.stop();
  if (process.exitCode === 1 && home.hasLog()) process.stderr.write(`The playground's log is ${home.logPath}\n`);
  else home.close();
}
process.exit();

/** Fails when the playground ends by itself. */
async function untilDead({ ended }: Playground): Promise<undefined> {
  const why = await ended;
  if (why.length > 0) throw new Error(why.join("\n"));
}

function build(): void {
  progress.step("Building dist/linkerd");
  const done = Bun.spawnSync(["bun", join(root, "tools/build.ts"), "--if-stale"], {
    cwd: root,
    stdout: "pipe",
    stderr: "pipe",
  });
  if (done.exitCode !== 0) throw new Error(done.stderr.toString());
}

/** Brings everything up, prints what the mesh sees; returns what is not as it should be. */
async function show({ kubeconfig }: Playground): Promise<string[]> {
  const cluster = new DemoCluster(kubeconfig);
  const linkerd = new Linkerd(executable, kubeconfig);
  await installMesh(cluster, linkerd, progress);
  await installShop(cluster, progress, shopManifest());
  const readyMs = progress.elapsedMs();
  const { report, problems, hasEqualCounts } = await assess(cluster, linkerd, progress, readyMs);
  progress.done();
  if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else await printReport(linkerd, report, NAMESPACE, { kubeconfig, isStaying: !options.once, hasEqualCounts });
  for (const problem of problems) process.stderr.write(`Not as it should be: ${problem}\n`);
  if (!options.once) await resume(cluster);
  return problems;
}
