import { StatusError } from "../../store/status.ts";
import type { NodeGateway, PortStream } from "../node-gateway.ts";
import { SpdySession } from "./spdy.ts";
import type { WebSocketPeer } from "./websocket.ts";

export const TUNNEL_PROTOCOL = "SPDY/3.1+portforward.k8s.io";
export const CHANNEL_PROTOCOL = "v4.channel.k8s.io";

/** Ports of one channel request, and connections of one tunnel. */
const MAX_PORTS = 100;
const MAX_CONNECTIONS = 1_000;

export interface PodRef {
  readonly namespace: string;
  readonly pod: string;
}

/** kubectl's way: SPDY inside the websocket, a pair of streams (error, data) for every connection. */
export function tunnelPorts(peer: WebSocketPeer, node: NodeGateway, pod: PodRef): void {
  const tunnel = new Tunnel(peer, node, pod);
  peer.start({
    message: (bytes) => tunnel.read(bytes),
    drained: () => tunnel.drained(),
    closed: () => tunnel.closed(),
  });
}

interface Connection {
  errorStream: number | undefined;
  dataStream: number | undefined;
  port: PortStream | undefined;
  /** What the client sent before the pod answered. */
  early: Uint8Array[];
  hasClientEnded: boolean;
  hasPodEnded: boolean;
}

class Tunnel {
  readonly #peer: WebSocketPeer;
  readonly #node: NodeGateway;
  readonly #pod: PodRef;
  readonly #spdy: SpdySession;
  readonly #byRequest = new Map<string, Connection>();
  readonly #byStream = new Map<number, Connection>();

  constructor(peer: WebSocketPeer, node: NodeGateway, pod: PodRef) {
    this.#peer = peer;
    this.#node = node;
    this.#pod = pod;
    this.#spdy = new SpdySession(
      {
        opened: (stream, headers) => this.#opened(stream, headers),
        data: (stream, chunk) => this.#fromClient(stream, chunk),
        finished: (stream) => this.#clientEnded(stream),
        reset: (stream) => this.#drop(this.#byStream.get(stream)),
      },
      (bytes) => this.#peer.send(bytes),
    );
  }

  read(bytes: Uint8Array): void {
    this.#spdy.read(bytes).catch(() => this.#peer.close(1002));
  }

  drained(): void {
    for (const connection of this.#byRequest.values()) connection.port?.resume?.();
  }

  closed(): void {
    for (const connection of [...this.#byRequest.values()]) this.#drop(connection);
    this.#spdy.close();
  }

  #opened(stream: number, headers: ReadonlyMap<string, string>) {
    const id = headers.get("requestid") ?? "";
    let connection = this.#byRequest.get(id);
    if (!connection) {
      if (this.#byRequest.size >= MAX_CONNECTIONS) return this.#peer.close(1013);
      connection = {
        errorStream: undefined,
        dataStream: undefined,
        port: undefined,
        early: [],
        hasClientEnded: false,
        hasPodEnded: false,
      };
      this.#byRequest.set(id, connection);
    }
    this.#byStream.set(stream, connection);
    if (headers.get("streamtype") === "error") {
      connection.errorStream = stream;
      return;
    }
    connection.dataStream = stream;
    void this.#dial(connection, Number(headers.get("port")));
  }

  async #dial(connection: Connection, portNumber: number): Promise<void> {
    try {
      const port = await this.#node.portForward(this.#pod.namespace, this.#pod.pod, portNumber);
      if (!this.#byStream.has(connection.dataStream!)) return port.close();
      connection.port = port;
      port.start({
        data: (chunk) => {
          if (!this.#spdy.send(connection.dataStream!, chunk)) port.pause?.();
        },
        end: () => this.#podEnded(connection),
        closed: (failure) => (failure ? this.#failed(connection, failure) : this.#podEnded(connection)),
        drained: () => this.#peer.resume(),
      });
      for (const chunk of connection.early) port.write(chunk);
      connection.early = [];
      if (connection.hasClientEnded) port.end();
    } catch (thrown) {
      const why = StatusError.from(thrown).message.replace(/^Internal error occurred: /, "");
      this.#failed(connection, `error forwarding port ${portNumber} to pod ${this.#pod.pod}, uid : ${why}`);
    }
  }

  #fromClient(stream: number, chunk: Uint8Array): void {
    const connection = this.#byStream.get(stream);
    if (!connection || stream !== connection.dataStream) return;
    if (!connection.port) connection.early.push(chunk);
    else if (!connection.port.write(chunk)) this.#peer.pause();
  }

  #clientEnded(stream: number): void {
    const connection = this.#byStream.get(stream);
    if (!connection || stream !== connection.dataStream) return;
    connection.hasClientEnded = true;
    connection.port?.end();
    if (connection.hasPodEnded) this.#drop(connection);
  }

  /** The pod has said all: our side of both streams ends; the client may still send. */
  #podEnded(connection: Connection): void {
    if (connection.hasPodEnded) return;
    connection.hasPodEnded = true;
    if (connection.dataStream !== undefined) this.#spdy.finish(connection.dataStream);
    if (connection.errorStream !== undefined) this.#spdy.finish(connection.errorStream);
    if (connection.hasClientEnded) this.#drop(connection);
  }

  #failed(connection: Connection, why: string): void {
    if (connection.errorStream !== undefined && !connection.hasPodEnded)
      this.#spdy.send(connection.errorStream, Buffer.from(why));
    this.#podEnded(connection);
    this.#drop(connection);
  }

  #drop(connection: Connection | undefined): void {
    if (!connection) return;
    connection.port?.close();
    for (const [stream, other] of this.#byStream) if (other === connection) this.#byStream.delete(stream);
    for (const [id, other] of this.#byRequest) if (other === connection) this.#byRequest.delete(id);
  }
}

/** The plain way for clients without SPDY: channel 2i carries port i's data, 2i+1 its error. One connection a port. */
export async function channelPorts(
  peer: WebSocketPeer,
  node: NodeGateway,
  pod: PodRef,
  ports: readonly number[],
): Promise<void> {
  const streams: (PortStream | undefined)[] = [];
  const early: Uint8Array[][] = ports.map(() => []); // what came before the pod answered; reading stops meanwhile
  let openCount = ports.length;
  let isClosed = false;
  const ended = (): void => {
    if (--openCount === 0) peer.close();
  };
  peer.start({
    message(bytes) {
      const index = bytes[0]! >> 1;
      if ((bytes[0]! & 1) !== 0 || bytes.length < 2 || index >= ports.length) return;
      const port = streams[index];
      if (!port) early[index]!.push(bytes.slice(1));
      if (!port?.write(bytes.subarray(1))) peer.pause();
    },
    drained() {
      for (const port of streams) port?.resume?.();
    },
    closed() {
      isClosed = true;
      for (const port of streams) port?.close();
    },
  });
  for (const [i, number] of ports.entries()) {
    const little = Buffer.from([number & 0xff, number >> 8]);
    peer.send(Buffer.from([2 * i]), little);
    peer.send(Buffer.from([2 * i + 1]), little);
  }
  for (const [i, number] of ports.entries()) {
    try {
      const port = await node.portForward(pod.namespace, pod.pod, number);
      if (isClosed) return port.close();
      streams[i] = port;
      let isOver = false;
      const over = (): void => {
        if (!isOver) ended();
        isOver = true;
      };
      port.start({
        data: (chunk) => {
          if (!peer.send(Buffer.from([2 * i]), chunk)) port.pause?.();
        },
        end: over,
        closed(failure) {
          if (failure) peer.send(Buffer.from([2 * i + 1]), Buffer.from(failure));
          over();
        },
        drained: () => peer.resume(),
      });
      let hasRoom = true;
      for (const chunk of early[i]!.splice(0)) hasRoom = port.write(chunk);
      if (hasRoom) peer.resume();
    } catch (thrown) {
      peer.send(Buffer.from([2 * i + 1]), Buffer.from(StatusError.from(thrown).message));
      early[i] = [];
      peer.resume();
      ended();
    }
  }
}

/** Reads `?ports=a&ports=b`; BadRequest when there are none or too many. */
export function portsOf(query: URLSearchParams): number[] {
  const ports = query
    .getAll("ports")
    .flatMap((text) => text.split(","))
    .map(Number);
  if (
    ports.length === 0 ||
    ports.length > MAX_PORTS ||
    ports.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535)
  )
    throw StatusError.badRequest(
      `Cannot forward ports ${JSON.stringify(query.getAll("ports"))}: wanted 1 to ${MAX_PORTS} "ports" of 1–65535`,
    );
  return ports;
}
