/**
 * Destination: tells proxies which endpoints a name has (Get) and how a name or address is to be treated (GetProfile),
 * and keeps telling them. Memory follows what is asked for; an answer is computed and encoded once for all who ask.
 * It writes nothing to the cluster. Linked clusters and ExternalWorkloads are not served yet.
 *
 * Reading order: authority.ts, context-token.ts (the question) · workload.ts, endpoints.ts, service-profile.ts,
 * profiles.ts (objects in, messages out, pure) · updates.ts (the least to send) · endpoint-topic.ts, profile-topic.ts,
 * topics.ts (who follows what) · service.ts (the two methods) · cluster-view.ts, trim.ts, program.ts (all put together).
 */

import { DEFAULT_OPAQUE_PORTS } from "#contracts/ports";
import { KubeClient } from "#kube";
import { parseDuration } from "#lib/duration";
import { type Env, runProgram } from "#lib/program";
import { addressFlag, numberFlag, switchFlag, textFlag } from "#lib/program-flags";
import type { Http2ClientParams } from "#proto/destination";
import { PortSet } from "./port-set.ts";
import { startDestination } from "./program.ts";
import { duration } from "./service-profile.ts";

export { type DestinationConfig, type DestinationProgram, startDestination } from "./program.ts";

const FLAGS = {
  addr: addressFlag(":8086"),
  "metrics-addr": addressFlag(":9996"),
  "controller-namespace": textFlag("linkerd"),
  "identity-trust-domain": textFlag(""),
  "cluster-domain": textFlag("cluster.local"),
  "default-opaque-ports": textFlag(DEFAULT_OPAQUE_PORTS),
  "enable-h2-upgrade": switchFlag(true),
  "outbound-transport-mode": textFlag("transparent"),
  "enable-endpoint-slices": switchFlag(true), // accepted; slices are always used
  "enable-ipv6": switchFlag(true),
  "ext-endpoint-zone-weights": switchFlag(false),
  "meshed-http2-client-params": textFlag(""),
  "stream-queue-capacity": numberFlag(100),
  "export-queue-metrics": switchFlag(true),
} as const;

/** Runs destination until it is told to stop. */
export function run(args: readonly string[], env: Env): Promise<number> {
  return runProgram("destination", args, FLAGS, async (flags, log) => {
    if (flags["stream-queue-capacity"] < 1) throw new Error("Cannot use -stream-queue-capacity: wanted 1 or more");
    return startDestination(
      {
        listen: flags.addr,
        admin: flags["metrics-addr"],
        streamQueueCapacity: flags["stream-queue-capacity"],
        controlPlaneNs: flags["controller-namespace"],
        trustDomain: flags["identity-trust-domain"],
        clusterDomain: flags["cluster-domain"] || "cluster.local",
        defaultOpaquePorts: PortSet.parse(flags["default-opaque-ports"]),
        enableH2Upgrade: flags["enable-h2-upgrade"],
        forceOpaqueTransport: flags["outbound-transport-mode"] === "transport-header",
        enableIpv6: flags["enable-ipv6"],
        zoneWeights: flags["ext-endpoint-zone-weights"],
        http2ClientParams: parseHttp2Params(flags["meshed-http2-client-params"]),
      },
      { client: KubeClient.forProgram(flags.kubeconfig, env), log },
    );
  });
}

interface Http2ParamsJson {
  flow_control?: {
    initial_connection_window_size?: number;
    initial_stream_window_size?: number;
    adaptive_flow_control?: boolean;
  };
  keep_alive?: { interval?: DurationJson; timeout?: DurationJson; while_idle?: boolean };
  internals?: { max_concurrent_reset_streams?: number; max_frame_size?: number; max_send_buf_size?: number };
}

type DurationJson = string | { seconds?: number; nanos?: number };

/** The message as JSON with protobuf's field names; durations as `10s` or `{"seconds":10}`. */
function parseHttp2Params(text: string): Http2ClientParams | undefined {
  if (text === "" || text === "null") return undefined;
  let json: Http2ParamsJson;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new Error("Cannot parse -meshed-http2-client-params: wanted JSON", { cause });
  }
  const { flow_control: flow, keep_alive: keepAlive, internals } = json;
  return {
    flowControl: flow && {
      initialConnectionWindowSize: flow.initial_connection_window_size ?? 0,
      initialStreamWindowSize: flow.initial_stream_window_size ?? 0,
      adaptiveFlowControl: flow.adaptive_flow_control ?? false,
    },
    keepAlive: keepAlive && {
      interval: readDuration(keepAlive.interval),
      timeout: readDuration(keepAlive.timeout),
      whileIdle: keepAlive.while_idle ?? false,
    },
    internals: internals && {
      maxConcurrentResetStreams: internals.max_concurrent_reset_streams ?? 0,
      maxFrameSize: internals.max_frame_size ?? 0,
      maxSendBufSize: internals.max_send_buf_size ?? 0,
    },
  };
}

function readDuration(json: DurationJson | undefined) {
  if (json === undefined) return undefined;
  if (typeof json !== "string") return duration((json.seconds ?? 0) * 1000 + (json.nanos ?? 0) / 1e6);
  const { value, error } = parseDuration(json);
  if (value === undefined) throw new Error(`Cannot parse -meshed-http2-client-params: ${error}`);
  return duration(value);
}
