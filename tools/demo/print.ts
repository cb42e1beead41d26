import type { Linkerd } from "./linkerd.ts";
import type { DemoReport } from "./report.ts";

export interface PrintOptions {
  readonly kubeconfig: string;
  /** The demo goes on until Ctrl-C, so there is something to try. */
  readonly isStaying: boolean;
  /** The proxies counted what the generator sent. */
  readonly hasEqualCounts: boolean;
}

const WINDOW = "1m"; // the demo reads it some seconds after the first request

/** The report for people: the command line's own tables, then what to look at. At most 100 columns. */
export async function printReport(
  linkerd: Linkerd,
  report: DemoReport,
  namespace: string,
  options: PrintOptions,
): Promise<void> {
  const { check, proxies, readyMs } = report;
  const out = (text: string): void => void process.stdout.write(`${text}\n`);
  const show = async (...words: string[]): Promise<void> =>
    out(`$ linkerd ${words.join(" ")}\n${trimLines(await linkerd.run(...words))}\n`);
  out(`The mesh and the voting shop were up after ${(readyMs / 1_000).toFixed(1)} s.\n`);
  out(`$ linkerd check --proxy\n${check.passed} checks passed, ${check.warned} warned, ${check.failed} failed\n`);
  await show("viz", "stat", "deploy", "-n", namespace, "-t", WINDOW);
  await show("viz", "edges", "deploy", "-n", namespace);
  const total = Object.values(report.sent).reduce((sum, { sent }) => sum + sent, 0);
  const failed = Object.values(report.sent).reduce((sum, one) => sum + one.failed, 0);
  const counted = options.hasEqualCounts ? "the proxies counted the same" : "the proxies counted otherwise, see below";
  out(`The shop's traffic generator sent ${total} requests and saw ${failed} fail; ${counted}.`);
  const largest = Math.round(Math.max(0, ...proxies.map(({ rssAnonKb }) => rssAnonKb)) / 1024);
  out(`${proxies.length} proxies run; the largest has ${largest} MB of memory of its own.\n`);
  out(LOOK_AT);
  if (options.isStaying) out(tries(options.kubeconfig, namespace));
}

const LOOK_AT = `Look at
  SECURED   every connection is mutual TLS (√), without a line changed in the shop
  SUCCESS   voting and web are below 100 %: voting for "doughnut" fails on purpose, and web calls it
  LATENCY   products-slow is slow on purpose, so its callers send it fewer requests than products`;

function trimLines(text: string): string {
  return text.replace(/ +$/gm, "").trimEnd();
}

/** Only what this machine can do: kubectl may be missing. */
function tries(kubeconfig: string, namespace: string): string {
  const all: [string, string][] = [
    [`dist/linkerd viz stat deploy/web --to deploy/voting -n ${namespace}`, "who fails, as web sees it"],
    Bun.which("kubectl")
      ? [`kubectl -n ${namespace} set env deploy/voting MENDED=true`, "mend it; ask for stat again in a minute"]
      : [`dist/linkerd viz edges po -n ${namespace}`, "who talks to whom, pod by pod"],
    ["dist/linkerd check --proxy", "is everything as it should be?"],
  ];
  const width = Math.max(...all.map(([command]) => command.length));
  const lines = all.map(([command, why]) => `  ${command.padEnd(width)}   # ${why}\n`);
  return `
Try, in another terminal, in this folder
  export KUBECONFIG=${kubeconfig}
${lines.join("")}
Ctrl-C ends all of it and leaves nothing behind.`;
}
