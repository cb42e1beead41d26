import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { makePod, on, removePod } from "../lab/namespaces.ts";
import { controlPlane } from "../subjects/linkerd.ts";
import { EXECUTABLE, proxyEnvironment } from "../subjects/mesh-proxy.ts";
import type { Figures, RunContext, Scenario } from "./scenario.ts";

const STARTS = 5;
const UNUSED_PORT = 1;

/** How long things take to come up. */
export const starts: readonly Scenario[] = [
  { name: "startup", main: "ms", subjects: ["linkerd-ts"], run: (_subject, context) => startup(context) },
  { name: "playground", main: "ms", subjects: ["linkerd-ts"], run: (_subject, context) => playground(context) },
];

/** From exec of the proxy to its "Listening" and to its first certificate, as its log tells it. The median of five. */
async function startup({ dir }: RunContext): Promise<Figures> {
  const control = await controlPlane("http1", UNUSED_PORT);
  const pod = makePod(0);
  try {
    const env = { ...process.env, ...proxyEnvironment({ ...pod, control, dir }) };
    const times: { listeningMs: number; ms: number }[] = [];
    for (let i = 0; i < STARTS; i++) times.push(await startOnce(pod.host, env));
    const median = (all: number[]): number => all.sort((a, b) => a - b)[Math.floor(all.length / 2)];
    return { listeningMs: median(times.map((one) => one.listeningMs)), ms: median(times.map((one) => one.ms)) };
  } finally {
    control.stop();
    removePod(pod.host);
  }
}

async function startOnce(
  host: Parameters<typeof on>[0],
  env: Record<string, string | undefined>,
): Promise<{ listeningMs: number; ms: number }> {
  // The shell enters the namespace and tells when it hands over, so that only the executable's own time counts.
  const child = Bun.spawn(on(host, ["sh", "-c", `echo exec >&2; exec ${EXECUTABLE} proxy`]), {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    env,
  });
  const at = new Map<string, number>();
  let text = "";
  for await (const chunk of child.stderr) {
    const nowMs = performance.now();
    text += new TextDecoder().decode(chunk);
    for (const word of ["exec", "Listening", "Certified"])
      if (!at.has(word) && text.includes(word)) at.set(word, nowMs);
    if (at.has("Certified")) break;
  }
  child.kill("SIGKILL");
  await child.exited;
  const since = (word: string): number => at.get(word)! - at.get("exec")!;
  if (!at.has("Certified")) throw new Error(`The proxy did not get its certificate:\n${text}`);
  return { listeningMs: since("Listening"), ms: since("Certified") };
}

/** `linkerd playground up` until it says that it is ready. */
async function playground({ dir }: RunContext): Promise<Figures> {
  const state = mkdtempSync(join(dir, "playground-"));
  const env = { ...process.env, LINKERD_PLAYGROUND_STATE: state };
  const startedAtMs = performance.now();
  const up = Bun.spawnSync([EXECUTABLE, "playground", "up", "--name", "bench"], { env });
  const ms = performance.now() - startedAtMs;
  Bun.spawnSync([EXECUTABLE, "playground", "down", "--name", "bench"], { env });
  if (up.exitCode !== 0) throw new Error(`The playground did not come up:\n${up.stderr.toString()}`);
  return { ms };
}
