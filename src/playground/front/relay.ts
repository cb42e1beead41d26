/**
 * The way in from the caller's network: every connection to a port on loopback is carried, byte for byte, to the
 * API server's unix socket, which the network namespaces do not separate. TLS goes through untouched.
 */
import type { Socket } from "bun";

interface Side {
  peer: Socket<Side> | undefined;
  /** Bytes the other side sent and this one has not taken yet. */
  queue: Uint8Array[];
  queuedBytes: number;
  isEnding: boolean;
}

export interface Relay {
  readonly port: number;
  stop(): void;
}

const MAX_CONNECTIONS = 1_000;
const PAUSE_BYTES = 256 * 1024; // per direction; then the sender waits

/** Listens on 127.0.0.1 (port 0: any free one). Throws when the port is taken. */
export function startRelay(port: number, socketPath: string): Relay {
  let connections = 0;
  const listener = Bun.listen<Side>({
    hostname: "127.0.0.1",
    port,
    allowHalfOpen: true,
    socket: {
      open(client) {
        client.data = newSide();
        if (++connections > MAX_CONNECTIONS) return void client.terminate();
        connect(client, socketPath);
      },
      ...forwarding(() => void connections--),
    },
  });
  return { port: listener.port, stop: () => listener.stop(true) };
}

function connect(client: Socket<Side>, socketPath: string): void {
  Bun.connect<Side>({
    unix: socketPath,
    allowHalfOpen: true,
    data: newSide(),
    socket: {
      open(server) {
        server.data.peer = client;
        client.data.peer = server;
        server.data.queue = client.data.queue.splice(0); // what the client said before
        server.data.queuedBytes = client.data.queuedBytes;
        client.data.queuedBytes = 0;
        server.data.isEnding = client.data.isEnding;
        client.data.isEnding = false;
        flush(server);
      },
      ...forwarding(() => {}),
      connectError: () => client.terminate(),
    },
  }).catch(() => client.terminate()); // the API server is going away
}

function newSide(): Side {
  return { peer: undefined, queue: [], queuedBytes: 0, isEnding: false };
}

/** Until the server is there its queue is kept at the client's side. */
function target(from: Socket<Side>): Side {
  return from.data.peer?.data ?? from.data;
}

function forwarding(closed: () => void) {
  return {
    data(from: Socket<Side>, chunk: Buffer): void {
      const to = target(from);
      to.queue.push(new Uint8Array(chunk));
      to.queuedBytes += chunk.length;
      if (from.data.peer) flush(from.data.peer);
      if (to.queuedBytes > PAUSE_BYTES) from.pause();
    },
    drain(socket: Socket<Side>): void {
      flush(socket);
    },
    end(from: Socket<Side>): void {
      target(from).isEnding = true;
      if (from.data.peer) flush(from.data.peer);
    },
    close(socket: Socket<Side>): void {
      const { peer } = socket.data;
      if (peer) {
        peer.data.isEnding = true;
        peer.data.peer = undefined;
        if (peer.data.queuedBytes === 0) peer.end();
        else flush(peer);
      }
      closed();
    },
  };
}

function flush(socket: Socket<Side>): void {
  const side = socket.data;
  while (side.queue.length > 0) {
    const chunk = side.queue[0]!;
    const taken = socket.write(chunk);
    if (taken < 0) return; // closed
    side.queuedBytes -= taken;
    if (taken < chunk.length) {
      side.queue[0] = chunk.subarray(taken);
      return;
    }
    side.queue.shift();
  }
  side.peer?.resume();
  if (side.isEnding) {
    side.isEnding = false;
    if (side.peer) socket.shutdown();
    else socket.end();
  }
}
