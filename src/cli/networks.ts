/** Whether an IP address lies in one of the CIDRs. An unreadable address or CIDR is in nothing. */
export function isInNetworks(address: string, cidrs: readonly string[]): boolean {
  return cidrs.some((cidr) => isInNetwork(address, cidr));
}

function isInNetwork(address: string, cidr: string): boolean {
  const [network = "", bits = ""] = cidr.trim().split("/");
  const [own, base] = [addressBits(address), addressBits(network)];
  if (!own || !base || own.width !== base.width) return false;
  const shift = BigInt(own.width - Number(bits));
  return own.value >> shift === base.value >> shift;
}

function addressBits(text: string): { value: bigint; width: 32 | 128 } | undefined {
  if (/^([0-9]{1,3}\.){3}[0-9]{1,3}$/.test(text)) {
    return { value: text.split(".").reduce((value, part) => (value << 8n) | BigInt(part), 0n), width: 32 };
  }
  if (!text.includes(":") || !/^[0-9a-fA-F:]+$/.test(text)) return undefined;
  const [head = "", tail] = text.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = !tail ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : new Array<string>(8 - left.length - right.length).fill("0");
  const groups = [...left, ...zeros, ...right];
  if (groups.length !== 8) return undefined;
  return { value: groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n), width: 128 };
}
