import { createServer, type Socket } from "node:net";
import { listenError } from "./listen-error.ts";

/** A port on 127.0.0.1 for tools of the person at the keyboard (port forwards, the dashboard): never reachable from outside. */
export interface LoopbackListener {
  readonly port: number;
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
}

/** Listens on 127.0.0.1; port 0 picks a free one. Half-closed connections stay open for writing. */
export function listenLoopback(port: number, accept: (socket: Socket) => void): Promise<LoopbackListener> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy()); // the peer is a local tool that went away
    accept(socket);
  });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      reject(listenError({ host: "127.0.0.1", port, advice: "choose another port" }, cause));
    });
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      resolve({ port: typeof address === "object" && address ? address.port : port, close });
    });
  });
}
