/**
 * The process that stays in the caller's namespaces: it starts the inner process in its own ones, lets connections
 * in, and ends both together.
 *
 *   front ──spawns──▶ setpriv, unshare ──forks──▶ inner (process 1 of everything)
 *
 * The ties: `--pdeathsig` ends unshare when the front dies, `--kill-child` ends the inner process when unshare does,
 * and the kernel ends all others with process 1; their mounts, links and namespaces belong to nobody else. The other
 * way round the front sees its child end. An orderly end is the end of the inner process's standard input.
 */
import { openSync, writeSync } from "node:fs";
import { listenError } from "#net/listen-error";
import { type Footing, find, type Machine } from "./prerequisites.ts";
import { type Relay, startRelay } from "./relay.ts";
import { type PlaygroundState, SOCKET, type StateFolder, startTicksOf } from "./state-folder.ts";

/** What the inner process says on its standard output, one JSON object a line. */
export type InnerMessage =
  | { readonly kind: "progress"; readonly text: string }
  | { readonly kind: "ready"; readonly kubeconfig: string }
  | { readonly kind: "failed"; readonly text: string };

export interface FrontOptions {
  readonly folder: StateFolder;
  readonly machine: Machine;
  readonly footing: Footing;
  /** Command line of the inner process, given the address that clients will use. */
  readonly inner: (server: string) => readonly string[];
  /** 0: any free one. */
  readonly port: number;
  readonly wallMs: () => number;
  readonly progress: (text: string) => void;
}

export interface Front {
  readonly state: PlaygroundState;
  /** Ends everything in order: pods get their grace. Resolves when nothing is left. */
  stop(): Promise<void>;
  /** Resolves when the playground has ended, by whatever way. */
  readonly ended: Promise<void>;
}

const DRAIN_MS = 15_000; // then the inner process is killed with everything in it

/** Starts a playground and waits until it is ready. Throws with the inner process's own words when it does not become so. */
export async function startFront(options: FrontOptions): Promise<Front> {
  const startedMs = options.wallMs();
  const { folder } = options;
  folder.open();
  process.chdir(folder.path); // for the socket's short name
  const relay = openRelay(options);
  const log = openSync(folder.logPath, "w", 0o600);
  const server = `https://127.0.0.1:${relay.port}`;
  const child = spawnInner(options, server, log);
  const ended = child.exited.then(() => {
    relay.stop();
    folder.clear();
  });
  try {
    const ready = await readMessages(child.stdout, options.progress);
    const state: PlaygroundState = {
      name: folder.name,
      pid: process.pid,
      startTicks: startTicksOf(process.pid)!,
      port: relay.port,
      server,
      startedAt: new Date(startedMs).toISOString(),
      readyMs: Math.round(options.wallMs() - startedMs),
      isRoot: options.footing.isRoot,
    };
    folder.write(state, ready.kubeconfig);
    return { state, ended, stop: () => stop(child, ended) };
  } catch (cause) {
    child.kill("SIGKILL");
    await ended;
    throw cause;
  }
}

type Inner = Bun.Subprocess<"pipe", "pipe", number>;

function openRelay({ port, folder }: FrontOptions): Relay {
  try {
    return startRelay(port, SOCKET);
  } catch (cause) {
    folder.discard();
    throw listenError({ host: "127.0.0.1", port, advice: "leave --port out for a free one" }, cause as Error);
  }
}

function spawnInner({ machine, footing, inner, folder }: FrontOptions, server: string, log: number): Inner {
  const argv = [
    ...[find("setpriv", machine)!, "--pdeathsig", "KILL", "--"],
    ...[find("unshare", machine)!, ...footing.userArguments],
    ...[
      "--net",
      "--mount",
      "--pid",
      "--uts",
      "--ipc",
      "--fork",
      "--kill-child=SIGKILL",
      "--mount-proc",
      "--propagation",
      "private",
    ],
    ...["--", ...inner(server)],
  ];
  writeSync(log, `starting ${argv.join(" ")}\n`);
  return Bun.spawn(argv, {
    cwd: folder.path,
    env: machine.env,
    stdin: "pipe",
    stdout: "pipe",
    stderr: log,
    detached: true, // Ctrl-C is the front's business
  });
}

/** Reads until the inner process is ready. */
async function readMessages(
  stream: ReadableStream<Uint8Array>,
  progress: (text: string) => void,
): Promise<Extract<InnerMessage, { kind: "ready" }>> {
  let text = "";
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("The playground's inner process ended before it was ready: see the log, and try again");
    text += decoder.decode(value, { stream: true });
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      const message = JSON.parse(line) as InnerMessage;
      if (message.kind === "ready") return message;
      if (message.kind === "failed") throw new Error(message.text);
      progress(message.text);
    }
  }
}

async function stop(child: Inner, ended: Promise<void>): Promise<void> {
  await child.stdin.end();
  const timer = setTimeout(() => child.kill("SIGKILL"), DRAIN_MS);
  await ended;
  clearTimeout(timer);
}
