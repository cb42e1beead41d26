import { runMetricsApi } from "#viz/metrics-api";

/** `linkerd viz metrics-api`: serves until SIGTERM or SIGINT. */
export function main(args: readonly string[]): Promise<number> {
  const stop = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  return runMetricsApi(args, stop, (line) => void process.stderr.write(line));
}
