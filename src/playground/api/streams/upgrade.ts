import type { IncomingMessage } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { StatusError } from "../../store/status.ts";
import type { Parts } from "../call.ts";
import type { AttachRequest, ContainerSession, NodeGateway } from "../node-gateway.ts";
import { parseResourcePath, type RequestInfo, typeOfPath, unknownResource } from "../request-info.ts";
import { containerOf } from "../subresources/log.ts";
import type { User } from "../users.ts";
import { EXEC_PROTOCOLS, joinSession, reportFailure } from "./exec.ts";
import { CHANNEL_PROTOCOL, channelPorts, portsOf, TUNNEL_PROTOCOL, tunnelPorts } from "./port-forward.ts";
import { chooseProtocol, WebSocketPeer } from "./websocket.ts";

export interface UpgradeCall {
  readonly parts: Parts;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What came with the request head. */
  readonly head: Buffer;
  readonly url: URL;
  readonly user: User;
}

/** exec, attach and port-forward. Throws StatusError as long as nothing has been answered. */
export async function upgrade(call: UpgradeCall): Promise<void> {
  const info = parseResourcePath(call.url.pathname);
  if (!info || !["exec", "attach", "portforward"].includes(info.subresource)) throw unknownResource();
  const { group, resource, subresource, name, namespace } = info;
  call.parts.authorizer.require(call.user, {
    verb: "create",
    group,
    resource,
    subresource,
    name,
    ...(namespace ? { namespace } : {}),
  });
  typeOfPath(info, call.parts.types);
  const node = call.parts.node();
  if (!node) throw new StatusError("ServiceUnavailable", `Cannot ${subresource} to pod "${name}": no node runs`);
  if (subresource === "portforward") return forward(call, info, node);
  const protocol = chooseProtocol(call.request, EXEC_PROTOCOLS);
  const wanted = attachRequest(call, info);
  const peer = new WebSocketPeer(call.request, call.socket, call.head, protocol);
  try {
    joinSession(peer, await openSession(call, info, wanted, node));
  } catch (thrown) {
    // On the websocket, not as an HTTP refusal: that would send kubectl on to SPDY and lose the reason.
    reportFailure(peer, StatusError.from(thrown));
  }
}

function attachRequest(call: UpgradeCall, info: RequestInfo): AttachRequest {
  const query = call.url.searchParams;
  const pod = podOf(call, info);
  const isOn = (name: string) => query.get(name) === "true" || query.get(name) === "1";
  return {
    namespace: info.namespace!,
    pod: info.name,
    container: containerOf(pod, query.get("container")),
    stdin: isOn("stdin"),
    stdout: isOn("stdout"),
    stderr: isOn("stderr"),
    tty: isOn("tty"),
  };
}

function openSession(
  call: UpgradeCall,
  info: RequestInfo,
  wanted: AttachRequest,
  node: NodeGateway,
): Promise<ContainerSession> {
  if (info.subresource === "attach") return node.attach(wanted);
  const command = call.url.searchParams.getAll("command");
  if (command.length === 0) throw StatusError.badRequest("you must specify at least 1 command for the container");
  return node.exec({ ...wanted, command });
}

async function forward(call: UpgradeCall, info: RequestInfo, node: NodeGateway): Promise<void> {
  const protocol = chooseProtocol(call.request, [TUNNEL_PROTOCOL, CHANNEL_PROTOCOL]);
  podOf(call, info);
  const pod = { namespace: info.namespace!, pod: info.name };
  const ports = protocol === CHANNEL_PROTOCOL ? portsOf(call.url.searchParams) : [];
  const peer = new WebSocketPeer(call.request, call.socket, call.head, protocol);
  if (protocol === TUNNEL_PROTOCOL) tunnelPorts(peer, node, pod);
  else await channelPorts(peer, node, pod, ports);
}

function podOf(call: UpgradeCall, info: RequestInfo) {
  const pod = call.parts.store.get("pods", info.namespace, info.name);
  if (!pod) throw StatusError.notFound("pods", info.name);
  return pod;
}

/** A refusal as a plain HTTP answer on the raw socket. */
export function refuseUpgrade(socket: Duplex, error: StatusError): void {
  const body = `${JSON.stringify(error.toStatus())}\n`;
  socket.end(
    `HTTP/1.1 ${error.code} ${STATUS_CODES[error.code] ?? "Error"}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
