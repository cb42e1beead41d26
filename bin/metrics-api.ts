import { runMetricsApi } from "#viz/metrics-api";

/** `linkerd viz metrics-api`: serves until SIGTERM or SIGINT. */
export async function main(args: readonly string[]): Promise<number> {
  const code = await runMetricsApi(args, (variable) => process.env[variable]);
  process.exit(code); // a program that could not start may have left a socket or a watch open
}
