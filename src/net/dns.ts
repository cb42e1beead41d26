import { resolve4, resolve6, resolveSrv } from "node:dns/promises";
import { canonicalIp, type SocketAddress } from "./address.ts";

/**
 * Addresses of a control-plane name. Headless Services answer SRV queries for their own name with targets whose first
 * label is the address (`10-1-2-3.name`); when that fails, A and AAAA records with the given port.
 * `localhost.` and IP literals ask nobody. Throws when nothing answers.
 */
export async function resolveControl(host: string, port: number): Promise<SocketAddress[]> {
  const literal = canonicalIp(host);
  if (literal) return [{ ip: literal, port }];
  if (/^localhost\.?$/i.test(host)) return [{ ip: "127.0.0.1", port }];
  const name = host.replace(/\.$/, "");
  const bySrv = await resolveSrv(name).then(addressesOfSrv, () => undefined);
  if (bySrv && bySrv.length > 0) return bySrv;
  const [v4, v6] = await Promise.all([resolve4(name).catch(() => []), resolve6(name).catch(() => [])]);
  const found = [...v4, ...v6].map((ip) => ({ ip: canonicalIp(ip) ?? ip, port }));
  if (found.length === 0) throw new Error(`Cannot resolve "${host}": neither SRV nor address records`);
  return found;
}

/** One undecodable target spoils the whole answer, as for Linkerd's proxy. */
export function addressesOfSrv(records: readonly { name: string; port: number }[]): SocketAddress[] | undefined {
  const addresses: SocketAddress[] = [];
  for (const record of records) {
    const label = record.name.split(".")[0];
    const ip = canonicalIp(label.replaceAll("-", ".")) ?? canonicalIp(label.replaceAll("-", ":"));
    if (!ip) return undefined;
    addresses.push({ ip, port: record.port });
  }
  return addresses;
}
