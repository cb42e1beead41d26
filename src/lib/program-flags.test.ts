import { expect, test } from "bun:test";
import {
  addressFlag,
  durationFlag,
  numberFlag,
  parseFlags,
  parseListenAddress,
  switchFlag,
  textFlag,
} from "./program-flags.ts";

const FLAGS = {
  addr: addressFlag(":8086"),
  "cluster-domain": textFlag("cluster.local"),
  "enable-ipv6": switchFlag(true),
  qps: numberFlag(100),
  lifetime: durationFlag(1_000),
};

test("flags come with one dash or two, with an equals sign or as the next word", () => {
  const args = ["-addr=:1", "--cluster-domain", "k8s.example", "--enable-ipv6=false", "-qps=0.5", "-lifetime=24h0m0s"];
  expect(parseFlags(args, FLAGS)).toEqual({
    values: {
      addr: { host: "0.0.0.0", port: 1 },
      "cluster-domain": "k8s.example",
      "enable-ipv6": false,
      qps: 0.5,
      lifetime: 86_400_000,
    },
    errors: [],
  });
});

test("a switch does not take the next word, and the last mention wins", () => {
  const { values, errors } = parseFlags(["-enable-ipv6=false", "-enable-ipv6", "-qps=1", "-qps=2"], FLAGS);
  expect(values).toMatchObject({ "enable-ipv6": true, qps: 2 });
  expect(errors).toEqual([]);
});

test("every bad argument is reported", () => {
  const { values, errors } = parseFlags(["-nope", "stray", "-addr=x", "-qps=", "-constructor=1"], FLAGS);
  expect(errors).toHaveLength(5);
  expect(errors[2]).toBe('Cannot parse -addr "x": wanted host:port, like :8086');
  expect(values.addr).toEqual({ host: "0.0.0.0", port: 8086 });
});

test("a value that is missing is an error", () => {
  expect(parseFlags(["-addr"], FLAGS).errors).toEqual(['Cannot parse -addr "": wanted host:port, like :8086']);
  expect(parseFlags(["-enable-ipv6=maybe"], FLAGS).errors).toEqual([
    'Cannot parse -enable-ipv6 "maybe": wanted true or false',
  ]);
});

test.each([
  [":80", { host: "0.0.0.0", port: 80 }],
  ["[::]:9990", { host: "::", port: 9990 }],
  ["127.0.0.1:0", { host: "127.0.0.1", port: 0 }],
  ["[::1]:0", { host: "::1", port: 0 }],
  ["80", undefined],
  [":65536", undefined],
  ["::1:80", undefined],
])("parseListenAddress(%p) is %p", (text, address) => {
  expect(parseListenAddress(text)).toEqual(address);
});
