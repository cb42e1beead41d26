import { type IpNetwork, parseIp } from "#net/address";
import type { Network } from "#proto/inbound";
import type { IPAddress, IPNetwork as ProtoNetwork } from "#proto/net";

/** Addresses from somewhere, less some of them. */
export interface NetworkMatch {
  readonly net: IpNetwork;
  readonly except: readonly IpNetwork[];
}

/** Whether an address is meant. */
export function networkMatches({ net, except }: NetworkMatch, ip: Uint8Array): boolean {
  return net.contains(ip) && !except.some((hole) => hole.contains(ip));
}

export function ipMessage(ip: Uint8Array): IPAddress {
  const view = new DataView(ip.buffer, ip.byteOffset, ip.byteLength);
  if (ip.length === 4) return { ip: { $case: "ipv4", value: view.getUint32(0) } };
  return { ip: { $case: "ipv6", value: { first: view.getBigUint64(0), last: view.getBigUint64(8) } } };
}

/** The 4 or 16 bytes of a message's address; an IPv4 address written as IPv6 gives 4. Undefined when there is none. */
export function ipFromMessage(message: IPAddress | undefined): Uint8Array | undefined {
  if (message?.ip?.$case === "ipv4") {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, message.ip.value);
    return bytes;
  }
  if (message?.ip?.$case === "ipv6") {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, message.ip.value.first);
    view.setBigUint64(8, message.ip.value.last);
    return unmapped(bytes);
  }
  return undefined;
}

function unmapped(bytes: Uint8Array): Uint8Array {
  const isMapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  return isMapped ? bytes.slice(12) : bytes;
}

export function networkMessage({ net, except }: NetworkMatch): Network {
  return { net: blockMessage(net), except: except.map(blockMessage) };
}

function blockMessage(block: IpNetwork): ProtoNetwork {
  return { ip: ipMessage(block.bytes), prefixLen: block.prefixLength };
}

/** `0.0.0.0/0` and `::/0`. */
export const ALL_NETWORKS: readonly Network[] = ["0.0.0.0", "::"].map((ip) => ({
  net: { ip: ipMessage(parseIp(ip)!), prefixLen: 0 },
  except: [],
}));
