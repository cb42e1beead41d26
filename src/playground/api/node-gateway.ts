/** What the API server needs from whoever runs the containers. The node agent implements it. */
export interface NodeGateway {
  /** Log bytes of one container, oldest first; ends when everything is sent (or, following, when the container ends). */
  logs(request: LogRequest): AsyncIterable<Uint8Array>;
  /** Starts a command in a container. Rejects with StatusError when the container is not running. */
  exec(request: ExecRequest): Promise<ContainerSession>;
  /** Joins a running container's own streams. */
  attach(request: AttachRequest): Promise<ContainerSession>;
  /** Opens a connection to a port on loopback inside the pod. Rejects with the reason when nobody listens. */
  portForward(namespace: string, pod: string, port: number): Promise<PortStream>;
}

export interface ContainerRef {
  readonly namespace: string;
  readonly pod: string;
  /** Always resolved: the only container, or the one named, or the default one. */
  readonly container: string;
}

export interface LogRequest extends ContainerRef {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  readonly limitBytes?: number;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}

export interface AttachRequest extends ContainerRef {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export interface ExecRequest extends AttachRequest {
  readonly command: readonly string[];
}

/** A running command seen from outside. Chunks handed over are the receiver's to keep. */
export interface ContainerSession {
  /** Set once by the API server right after it gets the session; output is held until then. */
  start(sink: SessionSink): void;
  /** False: full, wait for `sink.drained`. Ignored after the end. */
  writeStdin(chunk: Uint8Array): boolean;
  closeStdin(): void;
  resize(columns: number, rows: number): void;
  /** The client is slow: stop handing over output until `resume`. Without these a slow client is cut off at 64 MB. */
  pause?(): void;
  resume?(): void;
  /** The client has gone: end the command (exec), or let go of it (attach). */
  close(): void;
}

export interface SessionSink {
  stdout(chunk: Uint8Array): void;
  stderr(chunk: Uint8Array): void;
  /** Room for stdin again. */
  drained(): void;
  /** The last call. `exitCode` 0 is success; `failure` says why there is no exit code. */
  ended(exit: { readonly exitCode: number } | { readonly failure: string }): void;
}

/** Bytes to and from one port inside a pod. */
export interface PortStream {
  start(sink: {
    data(chunk: Uint8Array): void;
    end(): void;
    closed(failure: string | undefined): void;
    drained(): void;
  }): void;
  /** False: full, wait for `drained`. */
  write(chunk: Uint8Array): boolean;
  /** Half-close: the pod sees the end of input. */
  end(): void;
  /** The client is slow: stop reading from the pod until `resume`. */
  pause?(): void;
  resume?(): void;
  close(): void;
}
