import type { Linkerd } from "./linkerd.ts";
import type { DemoReport } from "./report.ts";

export interface PrintOptions {
  readonly kubeconfig: string;
  /** The demo goes on until Ctrl-C, so there is something to try. */
  readonly isStaying: boolean;
}

/** The report for people: the command line's own tables, then what to look at. */
export async function printReport(
  linkerd: Linkerd,
  report: DemoReport,
  namespace: string,
  options: PrintOptions,
): Promise<void> {
  const { check, proxies, readyMs } = report;
  const out = (text: string): void => void process.stdout.write(text);
  out(`The mesh is up after ${(readyMs / 1_000).toFixed(1)} s.\n\n`);
  out(`linkerd check: ${check.passed} passed, ${check.warned} warnings, ${check.failed} failed\n\n`);
  out(
    `$ linkerd viz stat deploy -n ${namespace} -t 10m\n${await linkerd.run("viz", "stat", "deploy", "-n", namespace, "-t", "10m")}\n`,
  );
  out(`$ linkerd viz edges deploy -n ${namespace}\n${await linkerd.run("viz", "edges", "deploy", "-n", namespace)}\n`);
  const total = Object.values(report.sent).reduce((sum, { sent }) => sum + sent, 0);
  const failed = Object.values(report.sent).reduce((sum, one) => sum + one.failed, 0);
  out(`The generator sent ${total} requests, ${failed} of them failed; the proxies counted the same.\n`);
  const anon = proxies.map(({ rssAnonKb }) => rssAnonKb);
  if (anon.length > 0)
    out(`${proxies.length} proxies, ${Math.round(Math.max(...anon) / 1024)} MB of private memory in the largest.\n`);
  out(`
Look at: every connection is secured (√) without a line changed in the shop; web and voting are below 100 %, because
voting for "doughnut" fails on purpose; products-slow gets fewer requests than products, because it is slow.
`);
  if (options.isStaying) out(tries(options.kubeconfig, namespace));
}

function tries(kubeconfig: string, namespace: string): string {
  const hasKubectl = Bun.which("kubectl") !== null;
  const all = [
    `dist/linkerd viz stat deploy/web --to deploy/voting -n ${namespace}   # who fails, as web sees it`,
    `dist/linkerd check --proxy                                    # is everything as it should be?`,
    hasKubectl
      ? `kubectl -n ${namespace} set env deploy/voting MENDED=true          # mend the failing call, then stat again`
      : `dist/linkerd viz edges po -A -o wide                          # who talks to whom, by identity`,
  ];
  return `\nTry, in another terminal:\n\n  export KUBECONFIG=${kubeconfig}\n${all.map((line) => `  ${line}\n`).join("")}\nCtrl-C ends the demo and leaves nothing behind.\n`;
}
