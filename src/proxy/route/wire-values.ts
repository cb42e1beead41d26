import { formatIp, IpNetwork, parseIp, type SocketAddress } from "#net/address";
import type { Duration } from "#proto/google/protobuf/duration";
import type { HttpMethod } from "#proto/http_types";
import type { IPAddress, IPNetwork, TcpAddress } from "#proto/net";

/** Milliseconds of a protobuf duration; undefined when it is not there or negative. */
export function readDuration(duration: Duration | undefined): number | undefined {
  if (!duration) return undefined;
  const ms = Number(duration.seconds) * 1000 + duration.nanos / 1e6;
  return ms >= 0 ? ms : undefined;
}

export function readIp(address: IPAddress | undefined): Uint8Array | undefined {
  const ip = address?.ip;
  if (!ip) return undefined;
  if (ip.$case === "ipv4") {
    const value = ip.value >>> 0;
    return Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  }
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt.asUintN(64, ip.value.first));
  view.setBigUint64(8, BigInt.asUintN(64, ip.value.last));
  return bytes;
}

export function readAddress(address: TcpAddress | undefined): SocketAddress | undefined {
  const ip = readIp(address?.ip);
  return ip && address ? { ip: formatIp(ip), port: address.port & 0xffff } : undefined;
}

export function writeAddress(address: SocketAddress): TcpAddress {
  const bytes = parseIp(address.ip)!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length === 4) return { ip: { ip: { $case: "ipv4", value: view.getUint32(0) } }, port: address.port };
  const value = { first: view.getBigUint64(0), last: view.getBigUint64(8) };
  return { ip: { ip: { $case: "ipv6", value } }, port: address.port };
}

export function readNetwork(network: IPNetwork | undefined): IpNetwork | undefined {
  const ip = readIp(network?.ip);
  return ip && network && network.prefixLen <= ip.length * 8 ? new IpNetwork(ip, network.prefixLen) : undefined;
}

const METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "HEAD", "TRACE"];

export function readMethod(method: HttpMethod | undefined): string | undefined {
  const type = method?.type;
  if (!type) return undefined;
  return type.$case === "registered" ? METHODS[type.value] : type.value;
}
