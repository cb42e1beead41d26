import { expect, test } from "bun:test";
import { addressesOfSrv, resolveControl } from "./dns.ts";

test("SRV targets carry their address in the first label", () => {
  expect(addressesOfSrv([{ name: "10-1-2-3.dst.svc", port: 8086 }])).toEqual([{ ip: "10.1.2.3", port: 8086 }]);
  expect(addressesOfSrv([{ name: "fd00--1.dst.svc", port: 1 }])).toEqual([{ ip: "fd00::1", port: 1 }]);
  expect(addressesOfSrv([{ name: "pod-a.dst.svc", port: 1 }])).toBeUndefined();
});

test("localhost and IP literals are resolved without asking", async () => {
  expect(await resolveControl("localhost.", 8090)).toEqual([{ ip: "127.0.0.1", port: 8090 }]);
  expect(await resolveControl("fd00::1", 1)).toEqual([{ ip: "fd00::1", port: 1 }]);
});
