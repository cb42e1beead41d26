import type { Clock } from "#lib/clock";
import { call } from "./call.ts";
import type { Cluster } from "./cluster.ts";
import { readLines } from "./lines.ts";
import { PODS } from "./types/builtin-resources.ts";
import { resourcePath } from "./types/resource-type.ts";

export interface PodLogOptions {
  /** Needed when the pod has several containers. */
  readonly container?: string | undefined;
  readonly follow?: boolean | undefined;
  readonly previous?: boolean | undefined;
  readonly timestamps?: boolean | undefined;
  readonly sinceSeconds?: number | undefined;
  readonly tailLines?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const MAX_LOG_LINE_BYTES = 1024 * 1024;

/** A container's log, line by line, from what is kept; with `follow`, until the container or `signal` ends it. */
export async function* podLogs(
  cluster: Cluster,
  clock: Clock,
  pod: string,
  namespace: string,
  { signal, ...query }: PodLogOptions,
): AsyncGenerator<string> {
  const path = resourcePath(PODS, { namespace, name: pod, subresource: "log" });
  const { response, lift, finish } = await call(cluster, clock, path, { query, accept: "*/*", signal });
  if (query.follow) lift(); // only the head has a time limit then
  try {
    yield* readLines(response.body, MAX_LOG_LINE_BYTES);
  } catch (cause) {
    if (!signal?.aborted) throw cause;
  } finally {
    finish();
  }
}
