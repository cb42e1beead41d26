import type { Log } from "#lib/log";
import type { InitOptions } from "./init-options.ts";
import { type Family, ruleset } from "./rules.ts";
import type { CommandResult, CommandRunner } from "./run-command.ts";

/** Redirects the namespace's TCP traffic to the proxy. Throws, with what to do about it, when a step fails; running it again is safe. */
export function initNetwork(options: InitOptions, runner: CommandRunner, log: Log): void {
  const machine = new Machine(options, runner, log);
  if (options.closeWaitTimeoutSecs > 0) machine.setCloseWaitTimeout();
  machine.installRules("ip");
  if (options.isIpv6) machine.installRules("ip6");
}

class Machine {
  readonly #options: InitOptions;
  readonly #runner: CommandRunner;
  readonly #log: Log;

  constructor(options: InitOptions, runner: CommandRunner, log: Log) {
    this.#options = options;
    this.#runner = runner;
    this.#log = log;
  }

  setCloseWaitTimeout(): void {
    const setting = `net.netfilter.nf_conntrack_tcp_timeout_close_wait=${this.#options.closeWaitTimeoutSecs}`;
    this.#change(
      ["sysctl", "-w", setting],
      "",
      `Cannot set ${setting}: the container must be privileged and run as root`,
    );
  }

  installRules(family: Family): void {
    const tool = this.#chooseTool(family);
    const rules = ruleset(this.#options, family, this.#readTable(tool));
    const wait = this.#options.waitsForLock ? ["-w"] : [];
    this.#change([`${tool}-restore`, "--noflush", ...wait], rules, `Cannot install the ${family}tables rules`);
    this.#log.debug("Table after the change", { table: this.#readTable(tool) });
  }

  /** The program that was asked for, or the first there is: both its halves must be there. */
  #chooseTool(family: Family): string {
    const names = { nft: `${family}tables-nft`, plain: `${family}tables`, legacy: `${family}tables-legacy` };
    const isThere = (name: string) => this.#runner.has(`${name}-save`) && this.#runner.has(`${name}-restore`);
    const wanted = names[this.#options.mode];
    if (isThere(wanted)) return wanted;
    const found = [names.nft, names.plain, names.legacy].find(isThere);
    if (found === undefined) {
      throw new Error(
        `Cannot redirect traffic: neither ${wanted}-restore nor any other ${family}tables is on the path. Install iptables in the image, or let the CNI plugin do this`,
      );
    }
    this.#log.warn("The wanted iptables is missing; using another", { wanted, found });
    return found;
  }

  #readTable(tool: string): string {
    const argv = this.#inNetns([`${tool}-save`, "-t", "nat"]);
    const result = this.#runner.run(argv);
    if (result.exitCode === 0) return result.stdout;
    // A simulation is meant to work where the real thing is not allowed to.
    if (this.#options.isSimulation) return "";
    throw failure(`Cannot read the nat table`, argv, result);
  }

  #change(command: readonly string[], input: string, what: string): void {
    const argv = this.#inNetns(command);
    this.#log.info(this.#options.isSimulation ? "Would run" : "Running", { command: argv.join(" "), input });
    if (this.#options.isSimulation) return;
    const result = this.#runner.run(argv, input);
    if (result.exitCode !== 0) throw failure(what, argv, result);
  }

  #inNetns(argv: readonly string[]): string[] {
    const { netns } = this.#options;
    return netns === "" ? [...argv] : ["nsenter", `--net=${netns}`, "--", ...argv];
  }
}

function failure(what: string, argv: readonly string[], { exitCode, stderr }: CommandResult): Error {
  return new Error(`${what}: \`${argv.join(" ")}\` exited with ${exitCode}: ${stderr.trim()}${hint(stderr)}`);
}

/** The likely cause, for the person on call. */
function hint(stderr: string): string {
  if (/permission denied|not permitted|must be root/i.test(stderr)) {
    return ". The container needs the capabilities NET_ADMIN and NET_RAW, or root where iptables-legacy is used";
  }
  if (/can't initialize ip6tables|Table does not exist/i.test(stderr)) {
    return ". The kernel lacks this table: load ip_tables or nf_tables, use another --iptables-mode, or --ipv6=false";
  }
  if (/xtables lock/i.test(stderr)) return ". Another program changes the rules: use -w to wait for it";
  return "";
}
