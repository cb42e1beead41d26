import { fileURLToPath } from "node:url";
import { debianEnv, ensureDebian } from "../../tools/debian.mjs";

/** The proxy's entry point and the runtime that this very test runs on. */
export const MAIN = fileURLToPath(new URL("../../bin/main.ts", import.meta.url));
const env = debianEnv();

/** A network namespace that stands for one pod. */
export interface Pod {
  readonly name: string;
  readonly ip: string;
  /** Runs a command inside to its end. Throws when it fails. */
  run(...argv: string[]): Promise<string>;
  /** Starts a command inside, ended with the network. Its output is kept in `output()`. */
  start(
    argv: readonly string[],
    options?: { readonly env?: Record<string, string>; readonly uid?: number },
  ): PodProcess;
}

export interface PodProcess {
  readonly exited: Promise<number>;
  output(): string;
  kill(signal?: NodeJS.Signals): void;
}

/**
 * A bridge with one namespace per pod on it, in the machine's own namespace under names of this process. Needs root.
 * `close` removes everything and ends what was started.
 */
export class PodNetwork {
  readonly hostIp: string;
  readonly #bridge: string;
  readonly #prefix: string;
  readonly #pods: string[] = [];
  readonly #processes: Bun.Subprocess[] = [];

  constructor() {
    ensureDebian("playground");
    const id = nextId();
    this.#bridge = `br${id}`;
    this.#prefix = `10.${100 + (process.pid % 100)}.${id % 250}`;
    this.hostIp = `${this.#prefix}.1`;
    // Without an address of its own a bridge takes that of its lowest port: a pod that is added later could change it,
    // and what others know of the gateway would lead nowhere for half a minute.
    must("ip", "link", "add", this.#bridge, "address", BRIDGE_MAC, "type", "bridge");
    must("ip", "addr", "add", `${this.hostIp}/24`, "dev", this.#bridge);
    must("ip", "link", "set", this.#bridge, "up");
  }

  /** Adds a pod; with a proxy's rules its TCP traffic is redirected as in a cluster. */
  addPod(options: { readonly isMeshed: boolean }): Pod {
    const index = this.#pods.length + 10;
    const name = `${this.#bridge}p${index}`;
    const ip = `${this.#prefix}.${index}`;
    const veth = `v${this.#bridge.slice(2)}-${index}`;
    must("ip", "netns", "add", name);
    this.#pods.push(name);
    must("ip", "link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", name);
    must("ip", "link", "set", veth, "master", this.#bridge, "up");
    must("ip", "-n", name, "link", "set", "lo", "up");
    must("ip", "-n", name, "addr", "add", `${ip}/24`, "dev", "eth0");
    must("ip", "-n", name, "link", "set", "eth0", "up");
    must("ip", "-n", name, "route", "add", "default", "via", this.hostIp);
    if (options.isMeshed) {
      must(process.execPath, MAIN, "network-init", ...REDIRECT_FLAGS, "--netns", `/run/netns/${name}`);
    }
    return {
      name,
      ip,
      run: (...argv) => this.#run(name, argv),
      start: (argv, how = {}) => this.#start(name, argv, how),
    };
  }

  async close(): Promise<void> {
    for (const child of this.#processes) child.kill("SIGKILL");
    await Promise.all(this.#processes.map(({ exited }) => exited));
    for (const name of this.#pods) quiet("ip", "netns", "del", name);
    quiet("ip", "link", "del", this.#bridge);
  }

  async #run(name: string, argv: readonly string[]): Promise<string> {
    const child = Bun.spawn(["ip", "netns", "exec", name, ...argv], { env, stdout: "pipe", stderr: "pipe" });
    this.#processes.push(child);
    const [out, error, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    this.#processes.splice(this.#processes.indexOf(child), 1);
    if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}: ${error}${out}`);
    return out;
  }

  #start(name: string, argv: readonly string[], how: { env?: Record<string, string>; uid?: number }): PodProcess {
    const user = how.uid === undefined ? [] : ["setpriv", `--reuid=${how.uid}`, `--regid=${how.uid}`, "--clear-groups"];
    const child = Bun.spawn(["ip", "netns", "exec", name, ...user, ...argv], {
      env: { ...env, ...how.env },
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#processes.push(child);
    let text = "";
    for (const stream of [child.stdout, child.stderr]) void collect(stream, (part) => (text += part));
    return { exited: child.exited, output: () => text, kill: (signal = "SIGTERM") => child.kill(signal) };
  }
}

/** Waits until a condition holds; fails with what was wanted when it does not within the deadline. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 10_000,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`Waited ${deadlineMs} ms in vain: ${what}`);
    await Bun.sleep(20);
  }
}

async function collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) add(decoder.decode(chunk, { stream: true }));
}

function must(...argv: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(argv, { env, stdout: "pipe", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${argv.join(" ")} ended with ${exitCode}: ${stderr.toString()}`);
}

function quiet(...argv: string[]): void {
  Bun.spawnSync(argv, { env, stdout: "ignore", stderr: "ignore" });
}

let networkCount = 0;
/** Short and unlike that of other test processes: interface names have 15 characters. */
function nextId(): number {
  return (process.pid % 10_000) * 10 + networkCount++;
}

const REDIRECT_FLAGS = [
  "-p",
  "4143",
  "-o",
  "4140",
  "-u",
  "2102",
  "--inbound-ports-to-ignore",
  "4190,4191,4567-4568",
  "--outbound-ports-to-ignore",
  "4567-4568",
  "--iptables-mode",
  "nft",
];

const BRIDGE_MAC = "02:00:00:00:00:01";
