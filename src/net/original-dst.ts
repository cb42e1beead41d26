import type { SocketAddress } from "./address.ts";
import { originalDst as readOriginalDst } from "./libc.ts";
import type { TcpTransport } from "./tcp.ts";

/** Where the client meant to go, and so the listener's own address for a connection that no rule redirected. */
export function originalDst(transport: TcpTransport): SocketAddress {
  return readOriginalDst(transport.fd) ?? transport.local;
}
