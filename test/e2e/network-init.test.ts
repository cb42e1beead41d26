import { afterAll, beforeAll, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

/** Real rules in a real network namespace, made and removed here. Needs root. */
const netns = `init-test-${process.pid}`;
const main = fileURLToPath(new URL("../../bin/main.ts", import.meta.url));
const debian: { ensureDebian(group: string): void; debianEnv(): Record<string, string | undefined> } = await import(
  "../../tools/debian.mjs" as string
);
debian.ensureDebian("playground");
const env = debian.debianEnv();

function run(argv: string[]): { code: number; out: string; err: string } {
  const result = Bun.spawnSync(argv, { env, stdout: "pipe", stderr: "pipe" });
  return { code: result.exitCode, out: result.stdout.toString(), err: result.stderr.toString() };
}

const inside = (...argv: string[]) => run(["ip", "netns", "exec", netns, ...argv]);
const init = (...flags: string[]) =>
  run([process.execPath, main, "network-init", ...flags, "--netns", `/run/netns/${netns}`]);
const FLAGS = [
  "-p",
  "4143",
  "-o",
  "4140",
  "-u",
  "2102",
  "--inbound-ports-to-ignore",
  "4190,4191,4567-4568",
  "--iptables-mode",
  "nft",
];
/** The table's rules without counters and dates. */
const rules = (family: "ip" | "ip6") =>
  inside(`${family}tables-nft-save`, "-t", "nat")
    .out.split("\n")
    .filter((line) => line.startsWith("-A"));

beforeAll(() => {
  expect(run(["ip", "netns", "add", netns])).toMatchObject({ code: 0 });
  expect(inside("ip", "link", "set", "lo", "up").code).toBe(0);
});
afterAll(() => {
  run(["ip", "netns", "del", netns]);
});

test("a simulation leaves the namespace as it was", () => {
  expect(init(...FLAGS, "--simulate").code).toBe(0);
  expect(rules("ip")).toEqual([]);
});

test("the rules are there in both families, in order", () => {
  const done = init(...FLAGS);
  expect({ code: done.code, err: done.code === 0 ? "" : done.err }).toEqual({ code: 0, err: "" });
  for (const family of ["ip", "ip6"] as const) {
    expect(rules(family).map((line) => line.replace(/ -m comment --comment \S+/, ""))).toEqual([
      "-A PREROUTING -j PROXY_INIT_REDIRECT",
      "-A OUTPUT -j PROXY_INIT_OUTPUT",
      "-A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -j RETURN",
      "-A PROXY_INIT_OUTPUT -o lo -j RETURN",
      "-A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-ports 4140",
      "-A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 4190,4191,4567:4568 -j RETURN",
      "-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-ports 4143",
    ]);
  }
});

test("a second run leaves the same rules, and other flags replace them", () => {
  const before = rules("ip");
  expect(init(...FLAGS).code).toBe(0);
  expect(rules("ip")).toEqual(before);
  expect(init(...FLAGS, "-o", "5140").code).toBe(0);
  expect(rules("ip").length).toBe(before.length);
  expect(rules("ip").join("\n")).toContain("--to-ports 5140");
  expect(rules("ip").join("\n")).not.toContain("--to-ports 4140");
  expect(init(...FLAGS).code).toBe(0);
});

test("the validator finds its way back through the rules, and not without them", () => {
  const validate = (listen: string) =>
    inside(
      process.execPath,
      main,
      "network-validator",
      "--connect-addr",
      "192.0.2.2:1404",
      "--listen-addr",
      listen,
      "--timeout",
      "3s",
    );
  // Something to route by: redirected connections never get there.
  expect(inside("ip", "link", "add", "gone", "type", "veth", "peer", "name", "nowhere")).toMatchObject({ code: 0 });
  inside("ip", "link", "set", "nowhere", "up");
  inside("ip", "addr", "add", "198.51.100.1/24", "dev", "gone");
  inside("ip", "link", "set", "gone", "up");
  inside("ip", "route", "add", "default", "dev", "gone");
  expect(validate("0.0.0.0:4140")).toMatchObject({ code: 0 });
  expect(inside("iptables-nft", "-t", "nat", "-F", "OUTPUT").code).toBe(0);
  expect(validate("0.0.0.0:4140")).toMatchObject({ code: 95 });
});

test("wrong flags are refused before anything is touched", () => {
  const refused = init("-p", "4143");
  expect(refused.code).toBe(2);
  expect(refused.err).toContain("outgoing-proxy-port");
});
