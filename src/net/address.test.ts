import { expect, test } from "bun:test";
import { canonicalIp, formatAddress, IpNetwork, parseAddress, parseIp } from "./address.ts";

test("addresses read and write both families", () => {
  expect(parseAddress("10.1.2.3:80")).toEqual({ ip: "10.1.2.3", port: 80 });
  expect(parseAddress("[FD00:0:0::1]:443")).toEqual({ ip: "fd00::1", port: 443 });
  expect(formatAddress({ ip: "fd00::1", port: 443 })).toBe("[fd00::1]:443");
  for (const bad of ["10.1.2.3", "10.1.2.300:80", "[::1]:70000", "name:80", "::1:80"]) {
    expect(parseAddress(bad)).toBeUndefined();
  }
});

test("an IPv4 address mapped into IPv6 is the IPv4 address", () => {
  expect(canonicalIp("::ffff:10.0.0.1")).toBe("10.0.0.1");
  expect(canonicalIp("::ffff:a00:1")).toBe("10.0.0.1");
});

test("IPv6 text is compressed at its longest run of zeros", () => {
  expect(canonicalIp("1:0:0:2:0:0:0:3")).toBe("1:0:0:2::3");
  expect(canonicalIp("::")).toBe("::");
  expect(canonicalIp("1:2:3:4:5:6:7:8")).toBe("1:2:3:4:5:6:7:8");
  expect(canonicalIp("1::2::3")).toBeUndefined();
});

test("a network contains what shares its prefix, in its own family", () => {
  const contains = (network: string, ip: string) => IpNetwork.parse(network)!.contains(parseIp(ip)!);
  expect(contains("10.0.0.0/8", "10.255.0.1")).toBe(true);
  expect(contains("172.16.0.0/12", "172.32.0.1")).toBe(false);
  expect(contains("172.16.0.0/12", "172.31.9.1")).toBe(true);
  expect(contains("0.0.0.0/0", "8.8.8.8")).toBe(true);
  expect(contains("0.0.0.0/0", "fd00::1")).toBe(false);
  expect(contains("fd00::/8", "fdab::1")).toBe(true);
  expect(contains("10.0.0.1", "10.0.0.1")).toBe(true);
  expect(IpNetwork.parse("10.0.0.0/33")).toBeUndefined();
});
