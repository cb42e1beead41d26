import type {
  AttachRequest,
  ContainerRef,
  ContainerSession,
  ExecRequest,
  LogRequest,
  NodeGateway,
  PortStream,
} from "../api/node-gateway.ts";
import { StatusError } from "../store/status.ts";
import type { NodeAgent } from "./agent.ts";
import type { ContainerProcess } from "./container-process.ts";
import type { ContainerRecord } from "./container-record.ts";
import { attachSession, execSession } from "./container-session.ts";
import { readLog } from "./log-reader.ts";
import type { NodeContext } from "./node-context.ts";
import { openPortStream } from "./port-stream.ts";

/** Answers the API server's questions about running containers from the agent's workers. */
export function createGateway(agent: () => NodeAgent | undefined, context: () => NodeContext): NodeGateway {
  const recordOf = (ref: ContainerRef): ContainerRecord => {
    const record = agent()?.worker(ref.namespace, ref.pod)?.record(ref.container);
    if (record) return record;
    throw StatusError.badRequest(
      `container "${ref.container}" in pod "${ref.pod}" is waiting to start: ContainerCreating`,
    );
  };
  return {
    logs(request: LogRequest): AsyncIterable<Uint8Array> {
      const record = recordOf(request);
      const log = request.previous ? record.previousLog : record.log;
      if (!log)
        throw StatusError.badRequest(
          `previous terminated container "${request.container}" in pod "${request.pod}" not found`,
        );
      if (record.containerId === "")
        throw StatusError.badRequest(
          `container "${request.container}" in pod "${request.pod}" is waiting to start: ${record.waitingReason}`,
        );
      return readLog(log, request, context().clock.wallMs());
    },
    async exec(request: ExecRequest): Promise<ContainerSession> {
      return execSession(await runningProcess(recordOf(request), request), request, context().env);
    },
    async attach(request: AttachRequest): Promise<ContainerSession> {
      const record = recordOf(request);
      await runningProcess(record, request);
      return attachSession(record, request);
    },
    async portForward(namespace: string, pod: string, port: number): Promise<PortStream> {
      const network = agent()?.worker(namespace, pod)?.network;
      if (!network) throw StatusError.badRequest(`Cannot forward a port to pod "${pod}": it has no network yet`);
      return await openPortStream(network.path, port);
    },
  };
}

/** The container's process once it can be entered; it is made a few milliseconds after it counts as running. */
async function runningProcess(record: ContainerRecord, ref: ContainerRef): Promise<ContainerProcess> {
  const { process } = record;
  if (!process)
    throw StatusError.badRequest(`container "${ref.container}" of pod "${ref.pod}" is not running (${record.state})`);
  if (!(await process.entered()))
    throw StatusError.badRequest(`container "${ref.container}" of pod "${ref.pod}" has just ended`);
  return process;
}
