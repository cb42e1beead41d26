import { expect, test } from "bun:test";
import { isInNetworks } from "./networks.ts";

const cases: [string, string, boolean][] = [
  ["10.1.2.3", "10.0.0.0/8", true],
  ["11.1.2.3", "10.0.0.0/8", false],
  ["192.168.1.1", "192.168.1.1/32", true],
  ["8.8.8.8", "0.0.0.0/0", true],
  ["fd00::1", "fd00::/8", true],
  ["fe80::1", "fd00::/8", false],
  ["fd00::1", "10.0.0.0/8", false],
  ["::ffff", "::/0", true],
  ["not an address", "0.0.0.0/0", false],
];

for (const [address, cidr, isInside] of cases) {
  test(`${address} is ${isInside ? "" : "not "}in ${cidr}`, () => expect(isInNetworks(address, [cidr])).toBe(isInside));
}
