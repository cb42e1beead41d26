import type { Socket } from "node:net";
import { systemClock } from "#lib/clock";
import { type LoopbackListener, listenLoopback } from "#net/loopback-listener";
import { ApiError } from "./api-error.ts";
import { type Cluster, credentialHeaders, tlsOptions } from "./cluster.ts";
import { PODS } from "./types/builtin-resources.ts";
import { resourcePath } from "./types/resource-type.ts";

export interface PortForwardOptions {
  readonly pod: string;
  readonly namespace: string;
  /** The port inside the pod. */
  readonly port: number;
  /** The local port; 0 or absent picks a free one. */
  readonly localPort?: number | undefined;
  /** Told why a connection ended, when it did not end well. */
  readonly onError?: ((error: Error) => void) | undefined;
}

export interface PortForward {
  /** The local port on 127.0.0.1. */
  readonly port: number;
  close(): Promise<void>;
}

/** Listens on 127.0.0.1; each connection becomes one websocket to the API server and ends at the pod's port. */
export async function portForward(cluster: Cluster, options: PortForwardOptions): Promise<PortForward> {
  const listener: LoopbackListener = await listenLoopback(options.localPort ?? 0, (socket) => {
    socket.pause();
    new Tunnel(cluster, options, socket).open().catch((error: unknown) => {
      options.onError?.(ApiError.fromFailure(`forward port ${options.port} of pod ${options.pod}`, error));
      socket.destroy();
    });
  });
  return listener;
}

const SUBPROTOCOL = "v4.channel.k8s.io";
const DATA_CHANNEL = 0;
const ERROR_CHANNEL = 1;
const MAX_UNSENT_BYTES = 1024 * 1024; // towards the pod: the local socket is paused above it
const MAX_UNREAD_BYTES = 64 * 1024 * 1024; // towards the local tool, which cannot slow a websocket down
const RECHECK_MS = 10;
const HALF_CLOSED_SILENCE_MS = 1_000; // v4 cannot say "no more input": after a local FIN the answer may still come, but not for ever

/** One local connection. Each channel's first message is only the port number and is skipped. */
class Tunnel {
  readonly #cluster: Cluster;
  readonly #options: PortForwardOptions;
  readonly #socket: Socket;
  #websocket: WebSocket | undefined;
  readonly #isChannelOpen = [false, false];
  #readCount = 0; // messages with data from the pod

  constructor(cluster: Cluster, options: PortForwardOptions, socket: Socket) {
    this.#cluster = cluster;
    this.#options = options;
    this.#socket = socket;
  }

  async open(): Promise<void> {
    const credentials = await this.#cluster.credentials();
    const { namespace, pod, port } = this.#options;
    const path = resourcePath(PODS, { namespace, name: pod, subresource: "portforward" });
    const headers = credentialHeaders(credentials);
    const websocket = new WebSocket(`${this.#cluster.server.replace(/^http/, "ws")}${path}?ports=${port}`, {
      protocols: [SUBPROTOCOL],
      headers,
      tls: tlsOptions(this.#cluster, credentials),
    } as unknown as string[]); // Bun's constructor takes options that the standard type does not know
    websocket.binaryType = "arraybuffer";
    this.#websocket = websocket;
    websocket.onopen = () => this.#start();
    websocket.onmessage = (event) => this.#receive(new Uint8Array(event.data as ArrayBuffer));
    websocket.onerror = () => this.#fail("the API server refused or broke the connection");
    websocket.onclose = () => this.#socket.end();
    this.#socket.once("close", () => websocket.close());
  }

  #start(): void {
    this.#socket.on("data", (chunk: Buffer) => this.#send(chunk));
    this.#socket.on("end", () => this.#closeWhenSilent());
    this.#socket.resume();
  }

  #closeWhenSilent(): void {
    const readCount = this.#readCount;
    systemClock.schedule(HALF_CLOSED_SILENCE_MS, () => {
      if (this.#readCount === readCount) this.#websocket?.close();
      else this.#closeWhenSilent();
    });
  }

  #send(chunk: Buffer): void {
    const frame = new Uint8Array(chunk.length + 1);
    frame[0] = DATA_CHANNEL;
    frame.set(chunk, 1);
    this.#websocket?.send(frame);
    if (this.#isFull()) this.#waitForRoom();
  }

  #waitForRoom(): void {
    this.#socket.pause();
    systemClock.schedule(RECHECK_MS, () => {
      if (this.#isFull()) this.#waitForRoom();
      else this.#socket.resume();
    });
  }

  #isFull(): boolean {
    const { bufferedAmount = 0, readyState } = this.#websocket ?? {};
    return readyState === WebSocket.OPEN && bufferedAmount > MAX_UNSENT_BYTES;
  }

  #receive(frame: Uint8Array): void {
    const channel = frame[0];
    if (channel !== DATA_CHANNEL && channel !== ERROR_CHANNEL) return;
    if (!this.#isChannelOpen[channel]) {
      this.#isChannelOpen[channel] = true;
      return;
    }
    const payload = frame.subarray(1);
    if (channel === ERROR_CHANNEL) {
      if (payload.length > 0) this.#fail(new TextDecoder().decode(payload));
      return;
    }
    this.#readCount++;
    this.#socket.write(payload);
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.#fail("the local reader is too slow");
  }

  #fail(why: string): void {
    const { pod, port } = this.#options;
    this.#options.onError?.(new Error(`Cannot forward port ${port} of pod ${pod}: ${why}`));
    this.#websocket?.close();
    this.#socket.destroy();
  }
}
