import type { Socket } from "bun";
import type { PortStream } from "../api/node-gateway.ts";
import { inNetworkNamespace } from "./system-calls.ts";

type Sink = Parameters<PortStream["start"]>[0];

const DIAL_TIMEOUT_MS = 5_000;
const MAX_HELD = 16; // chunks that may come before the client's side is there
const MAX_QUEUED_BYTES = 1024 * 1024; // towards the pod; then `write` says wait

/** Connects to loopback inside the pod. Rejects with what people know from kubectl when nobody listens. */
export async function openPortStream(netns: string, port: number): Promise<PortStream> {
  const stream = new LoopbackStream();
  const refused = `failed to connect to localhost:${port} inside the pod`;
  const dialled = inNetworkNamespace(netns, () =>
    Bun.connect({
      hostname: "127.0.0.1",
      port,
      allowHalfOpen: true,
      socket: {
        open: (socket) => stream.opened(socket),
        data: (_socket, chunk) => stream.tell((sink) => sink.data(new Uint8Array(chunk))),
        drain: () => stream.flush(),
        end: () => stream.tell((sink) => sink.end()),
        close: () => stream.tell((sink) => sink.closed(undefined)),
        error: (_socket, error) => stream.tell((sink) => sink.closed(error.message)),
        connectError() {},
      },
    }),
  );
  const late = new Promise<never>((_resolve, reject) => {
    setTimeout(() => reject(new Error(`${refused}: timeout`)), DIAL_TIMEOUT_MS).unref();
  });
  try {
    await Promise.race([dialled, late]);
  } catch (cause) {
    throw new Error(`${refused}: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  return stream;
}

class LoopbackStream implements PortStream {
  #socket: Socket | undefined;
  #sink: Sink | undefined;
  #held: ((sink: Sink) => void)[] = [];
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #isEnding = false;

  opened(socket: Socket): void {
    this.#socket = socket;
  }

  tell(what: (sink: Sink) => void): void {
    if (this.#sink) what(this.#sink);
    else if (this.#held.length < MAX_HELD) this.#held.push(what);
    else this.close();
  }

  start(sink: Sink): void {
    this.#sink = sink;
    for (const tell of this.#held.splice(0)) tell(sink);
  }

  write(chunk: Uint8Array): boolean {
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    this.flush();
    return this.#queuedBytes <= MAX_QUEUED_BYTES;
  }

  flush(): void {
    const wasFull = this.#queuedBytes > MAX_QUEUED_BYTES;
    while (this.#queue.length > 0 && this.#socket) {
      const chunk = this.#queue[0]!;
      const taken = this.#socket.write(chunk);
      if (taken < 0) return;
      this.#queuedBytes -= taken;
      if (taken < chunk.length) {
        this.#queue[0] = chunk.subarray(taken);
        break;
      }
      this.#queue.shift();
    }
    if (this.#queue.length === 0 && this.#isEnding) this.#socket?.shutdown();
    if (wasFull && this.#queuedBytes <= MAX_QUEUED_BYTES) this.#sink?.drained();
  }

  end(): void {
    this.#isEnding = true;
    this.flush();
  }

  close(): void {
    this.#socket?.terminate();
  }
}
