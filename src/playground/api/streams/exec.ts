import type { StatusError } from "../../store/status.ts";
import type { ContainerSession, SessionSink } from "../node-gateway.ts";
import type { WebSocketPeer } from "./websocket.ts";

/** First byte of every message: which stream it belongs to. */
const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const ERROR = 3;
const RESIZE = 4;
/** v5 only: the next byte names a stream that ends here. */
const HALF_CLOSE = 255;

export const EXEC_PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"] as const;

/** Joins a container's session and a client's websocket until either ends. */
export function joinSession(peer: WebSocketPeer, session: ContainerSession): void {
  let isOver = false;
  const send = (channel: number, chunk: Uint8Array): void => {
    if (!peer.send(Buffer.from([channel]), chunk)) session.pause?.();
  };
  const sink: SessionSink = {
    stdout: (chunk) => send(STDOUT, chunk),
    stderr: (chunk) => send(STDERR, chunk),
    drained: () => peer.resume(),
    ended(exit) {
      isOver = true;
      peer.send(Buffer.from([ERROR]), Buffer.from(JSON.stringify(exitStatus(exit))));
      peer.close();
    },
  };
  peer.start({
    message: (bytes) => take(session, peer, bytes),
    drained: () => session.resume?.(),
    closed() {
      if (!isOver) session.close();
    },
  });
  session.start(sink);
}

function take(session: ContainerSession, peer: WebSocketPeer, bytes: Uint8Array): void {
  switch (bytes[0]) {
    case STDIN:
      if (bytes.length > 1 && !session.writeStdin(bytes.subarray(1))) peer.pause();
      return;
    case RESIZE: {
      const size = JSON.parse(Buffer.from(bytes.subarray(1)).toString()) as { Width?: unknown; Height?: unknown };
      session.resize(Number(size.Width) || 80, Number(size.Height) || 24);
      return;
    }
    case HALF_CLOSE:
      if (bytes[1] === STDIN) session.closeStdin();
      return;
  }
}

/** Ends a websocket on which nothing ran, with the reason where kubectl looks for exit codes. */
export function reportFailure(peer: WebSocketPeer, error: StatusError): void {
  peer.start({ message() {}, drained() {}, closed() {} });
  peer.send(Buffer.from([ERROR]), Buffer.from(JSON.stringify(error.toStatus())));
  peer.close();
}

/** The Status from which kubectl takes the exit code. */
export function exitStatus(exit: Parameters<SessionSink["ended"]>[0]): Record<string, unknown> {
  if ("failure" in exit)
    return { metadata: {}, status: "Failure", message: exit.failure, reason: "InternalError", code: 500 };
  if (exit.exitCode === 0) return { metadata: {}, status: "Success" };
  return {
    metadata: {},
    status: "Failure",
    message: `command terminated with non-zero exit code: exit status ${exit.exitCode}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(exit.exitCode) }] },
  };
}
