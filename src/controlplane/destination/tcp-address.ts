import { parseIp } from "#net/address";
import type { TcpAddress } from "#proto/net";

/** An address as the API carries it. Text that is no IP address gives no `ip`, which proxies skip. */
export function tcpAddress(ip: string, port: number): TcpAddress {
  const bytes = parseIp(ip);
  if (!bytes) return { ip: undefined, port };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length === 4) return { ip: { ip: { $case: "ipv4", value: view.getUint32(0) } }, port };
  return { ip: { ip: { $case: "ipv6", value: { first: view.getBigUint64(0), last: view.getBigUint64(8) } } }, port };
}
