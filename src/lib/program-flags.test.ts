import { expect, test } from "bun:test";
import { parseFlags, parseListenAddress } from "./program-flags.ts";

const defaults = { addr: ":8080", "log-level": "info", verbose: false };

test("one dash or two, joined by = or apart", () => {
  expect(parseFlags(["-addr", ":1", "--log-level=debug", "-verbose"], defaults)).toEqual({
    addr: ":1",
    "log-level": "debug",
    verbose: true,
  });
  expect(parseFlags(["-verbose=false"], defaults)).toEqual({ ...defaults });
});

test("every problem is named at once, with the flags there are", () => {
  expect(() => parseFlags(["-nope", "word", "-verbose=maybe", "-addr"], defaults)).toThrow(
    'unknown flag "-nope"; unknown flag "word"; -verbose="maybe": wanted true or false; -addr needs a value. Known flags: -addr, -log-level, -verbose',
  );
});

test("parseListenAddress() takes an empty host as every address and refuses bad ports", () => {
  expect(parseListenAddress(":8085")).toEqual({ host: "0.0.0.0", port: 8085 });
  expect(parseListenAddress("[::1]:0")).toEqual({ host: "::1", port: 0 });
  expect(() => parseListenAddress("8085")).toThrow('Cannot parse the address "8085"');
  expect(() => parseListenAddress(":99999")).toThrow("wanted host:port");
});
