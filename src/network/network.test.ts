import { describe, expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { silentLog } from "#lib/log";
import { parseInitFlags } from "./flags.ts";
import { initNetwork } from "./init.ts";
import type { InitOptions } from "./init-options.ts";
import { multiportLists, parsePortRanges } from "./port-ranges.ts";
import { ruleset } from "./rules.ts";
import type { CommandRunner } from "./run-command.ts";
import { validateNetwork } from "./validator.ts";
import { parseValidatorFlags } from "./validator-flags.ts";

const BASE = ["--incoming-proxy-port", "4143", "--outgoing-proxy-port=4140"];

function options(...args: string[]): InitOptions {
  const parsed = parseInitFlags([...BASE, ...args]);
  if ("errors" in parsed) throw new Error(parsed.errors.join("; "));
  return parsed.options;
}

function errors(...args: string[]): string {
  const parsed = parseInitFlags(args);
  return "errors" in parsed ? parsed.errors.join("; ") : "";
}

describe("flags", () => {
  test("short, long and with `=` mean the same", () => {
    const parsed = parseInitFlags(["-p", "4143", "-o", "4140", "-u", "2102", "-g=2103", "-w", "--ipv6=false"]);
    expect(parsed).toMatchObject({
      options: {
        inboundPort: 4143,
        outboundPort: 4140,
        proxyUid: 2102,
        proxyGid: 2103,
        waitsForLock: true,
        isIpv6: false,
      },
    });
  });
  test("defaults", () => {
    expect(options()).toMatchObject({ proxyUid: -1, proxyGid: -1, isIpv6: true, mode: "legacy", isSimulation: false });
  });
  test("names of programs choose the mode, unless the mode is given", () => {
    expect(options("--firewall-bin-path", "iptables-nft", "--firewall-save-bin-path", "iptables-nft-save").mode).toBe(
      "nft",
    );
    expect(options("--firewall-bin-path", "iptables").mode).toBe("plain");
    expect(options("--firewall-bin-path", "iptables-nft", "--iptables-mode", "plain").mode).toBe("plain");
  });
  test("everything that is wrong is said at once", () => {
    const all = errors(
      "-p",
      "70000",
      "--ipv6=maybe",
      "--subnets-to-ignore",
      "10.0.0.0/33,x",
      "--nope",
      "--iptables-mode",
      "bpf",
    );
    for (const part of ["incoming-proxy-port", "outgoing-proxy-port", "maybe", "10.0.0.0/33", '"x"', "--nope", "bpf"]) {
      expect(all).toContain(part);
    }
  });
});

describe("ports", () => {
  test("ranges and single ports", () => {
    const wrong: string[] = [];
    expect(parsePortRanges("80, 8000-8010,", wrong)).toEqual([
      { first: 80, last: 80 },
      { first: 8000, last: 8010 },
    ]);
    expect(wrong).toEqual([]);
    for (const bad of ["70000", "9-1", "a", "1-", "-1", "1-2-3"]) parsePortRanges(bad, wrong);
    expect(wrong.length).toBe(6);
  });
  test("a rule holds at most 15 ports, a range counts as two", () => {
    const singles = Array.from({ length: 16 }, (_, i) => ({ first: i + 1, last: i + 1 }));
    expect(multiportLists(singles)).toEqual(["1,2,3,4,5,6,7,8,9,10,11,12,13,14,15", "16"]);
    const ranges = Array.from({ length: 8 }, (_, i) => ({ first: i * 10, last: i * 10 + 1 }));
    expect(multiportLists(ranges).map((list) => list.split(",").length)).toEqual([7, 1]);
    expect(multiportLists([])).toEqual([]);
  });
});

describe("rules", () => {
  const injected = options(
    "-u",
    "2102",
    "--inbound-ports-to-ignore",
    "4190,4191,4567-4568",
    "--outbound-ports-to-ignore",
    "443,6443",
  );

  test("as the injector asks for them", () => {
    expect(ruleset(injected, "ip", "").split("\n")).toEqual([
      "*nat",
      ":PROXY_INIT_REDIRECT - [0:0]",
      ":PROXY_INIT_OUTPUT - [0:0]",
      '-A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 4190,4191,4567:4568 -j RETURN -m comment --comment "proxy-init/ignore-port-4190,4191,4567:4568"',
      '-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-ports 4143 -m comment --comment "proxy-init/redirect-all-incoming-to-proxy-port"',
      '-A PREROUTING -j PROXY_INIT_REDIRECT -m comment --comment "proxy-init/install-proxy-init-prerouting"',
      '-A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -j RETURN -m comment --comment "proxy-init/ignore-proxy-user-id"',
      '-A PROXY_INIT_OUTPUT -o lo -j RETURN -m comment --comment "proxy-init/ignore-loopback"',
      '-A PROXY_INIT_OUTPUT -p tcp -m multiport --dports 443,6443 -j RETURN -m comment --comment "proxy-init/ignore-port-443,6443"',
      '-A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-ports 4140 -m comment --comment "proxy-init/redirect-all-outgoing-to-proxy-port"',
      '-A OUTPUT -j PROXY_INIT_OUTPUT -m comment --comment "proxy-init/install-proxy-init-output"',
      "COMMIT",
      "",
    ]);
  });
  test("hooks that are there are not added again", () => {
    const saved = '-A PREROUTING -m comment --comment "x" -j PROXY_INIT_REDIRECT\n-A OUTPUT -j PROXY_INIT_OUTPUT\n';
    expect(ruleset(injected, "ip", saved)).not.toContain("install-proxy-init");
  });
  test("only listed ports are redirected when some are listed", () => {
    const rules = ruleset(options("-r", "80,8080-8081"), "ip", "");
    expect(rules).toContain("--dport 80 -j REDIRECT --to-ports 4143");
    expect(rules).toContain("--dport 8080:8081 -j REDIRECT --to-ports 4143");
    expect(rules).not.toContain("redirect-all-incoming");
  });
  test("subnets go to the table of their family", () => {
    const both = options("--subnets-to-ignore", " 10.0.0.0/8 ,fd00::/8", "-g", "7");
    expect(ruleset(both, "ip", "")).toContain("-s 10.0.0.0/8 -j RETURN");
    expect(ruleset(both, "ip", "")).not.toContain("fd00::/8");
    expect(ruleset(both, "ip6", "")).toContain("-s fd00::/8 -j RETURN");
    expect(ruleset(both, "ip", "")).toContain("--gid-owner 7");
    expect(ruleset(both, "ip", "")).not.toContain("--uid-owner");
  });
});

describe("running", () => {
  const runner = (present: readonly string[], ran: string[], exitCode = 0, stderr = ""): CommandRunner => ({
    has: (command) => present.includes(command),
    run(argv) {
      ran.push(argv.join(" "));
      return { exitCode, stdout: "", stderr };
    },
  });
  const NFT = ["iptables-nft-save", "iptables-nft-restore", "ip6tables-nft-save", "ip6tables-nft-restore"];

  test("sysctl first, then IPv4, then IPv6, each in the other namespace", () => {
    const ran: string[] = [];
    const given = options("--timeout-close-wait-secs", "60", "--iptables-mode", "nft", "--netns", "/run/netns/x", "-w");
    initNetwork(given, runner(NFT, ran), silentLog);
    expect(ran.filter((line) => !line.includes("-save"))).toEqual([
      "nsenter --net=/run/netns/x -- sysctl -w net.netfilter.nf_conntrack_tcp_timeout_close_wait=60",
      "nsenter --net=/run/netns/x -- iptables-nft-restore --noflush -w",
      "nsenter --net=/run/netns/x -- ip6tables-nft-restore --noflush -w",
    ]);
  });
  test("another iptables is taken when the wanted one is missing", () => {
    const ran: string[] = [];
    initNetwork(options("--iptables-mode", "legacy", "--ipv6=false"), runner(NFT, ran), silentLog);
    expect(ran).toContain("iptables-nft-restore --noflush");
  });
  test("no iptables at all is said plainly", () => {
    expect(() => initNetwork(options(), runner([], []), silentLog)).toThrow(/Install iptables/);
  });
  test("what is not permitted names the capability", () => {
    const denied = runner(NFT, [], 4, "Could not fetch rule set generation id: Permission denied (you must be root)");
    expect(() => initNetwork(options(), denied, silentLog)).toThrow(/NET_ADMIN/);
  });
  test("a simulation changes nothing", () => {
    const ran: string[] = [];
    initNetwork(options("--simulate", "--timeout-close-wait-secs", "5"), runner(NFT, ran, 1), silentLog);
    expect(ran.every((line) => line.includes("-save"))).toBe(true);
  });
});

describe("validator", () => {
  const parsed = parseValidatorFlags([
    "--connect-addr",
    "1.1.1.1:20001",
    "--listen-addr",
    "[::]:4140",
    "--timeout",
    "10s",
  ]);
  if ("errors" in parsed) throw new Error(parsed.errors.join("; "));

  const outcome = async (readFrom: () => Promise<string>, clock = new FakeClock()) => {
    let stops = 0;
    const sockets = { serve: () => ({ stop: () => void stops++ }), readFrom };
    const running = validateNetwork(parsed.options, sockets, "secret", clock, silentLog);
    clock.advance(10_000);
    const code = await running;
    expect(stops).toBe(1);
    return code;
  };
  test("flags", () => {
    expect(parsed.options).toMatchObject({
      connectAddress: { ip: "1.1.1.1", port: 20001 },
      listenAddress: { ip: "::", port: 4140 },
    });
    expect("errors" in parseValidatorFlags(["--connect-addr", "a:b", "--timeout", "soon"])).toBe(true);
  });
  test("our own token back means redirected", async () => {
    expect(await outcome(() => Promise.resolve("secret\n"), new FakeClock())).toBe(0);
  });
  test("another answer, a failure and silence are failures", async () => {
    expect(await outcome(() => Promise.resolve("hello\n"))).toBe(95);
    expect(await outcome(() => Promise.reject(new Error("refused")))).toBe(95);
    expect(await outcome(() => new Promise(() => {}))).toBe(95);
  });
});
