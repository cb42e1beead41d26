/**
 * The folder in which one playground is found again: who runs it, where its API answers, and the kubeconfig. Nothing
 * outside of it is ever written.
 */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readTextIfThere } from "#lib/files";

export interface PlaygroundState {
  readonly name: string;
  readonly pid: number;
  /** The process's start in clock ticks: a number used again by another process is noticed. */
  readonly startTicks: string;
  readonly port: number;
  readonly server: string;
  readonly startedAt: string;
  /** Milliseconds from start to ready. */
  readonly readyMs: number;
  readonly isRoot: boolean;
}

const NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;
const STATE = "state.json";
const KUBECONFIG = "kubeconfig";
const LOG = "playground.log";
/** Sockets are opened by this relative name with the folder as working directory: paths of sockets end at 107 bytes. */
export const SOCKET = "api.sock";

export class StateFolder {
  readonly path: string;
  readonly name: string;

  constructor(base: string, name: string) {
    if (!NAME.test(name))
      throw new Error(
        `Cannot name a playground "${name}": wanted up to 40 small letters, digits and dashes, like "playground"`,
      );
    this.name = name;
    this.path = join(base, name);
  }

  get kubeconfigPath(): string {
    return join(this.path, KUBECONFIG);
  }

  get logPath(): string {
    return join(this.path, LOG);
  }

  /** The playground that runs now; what a killed one left behind counts as none. */
  running(): PlaygroundState | undefined {
    const text = readTextIfThere(join(this.path, STATE));
    if (text === undefined) return undefined;
    const state = parse(text);
    return state && startTicksOf(state.pid) === state.startTicks ? state : undefined;
  }

  /** Makes the folder, empty of what an earlier playground left. */
  open(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    this.clear();
  }

  /** Takes away everything but the log. */
  clear(): void {
    for (const file of [STATE, KUBECONFIG, SOCKET]) rmSync(join(this.path, file), { force: true });
  }

  /** The same, and the folder with it when it holds no log: nothing had begun. */
  discard(): void {
    this.clear();
    if (readdirSync(this.path).length === 0) rmdirSync(this.path);
  }

  write(state: PlaygroundState, kubeconfig: string): void {
    writeFileSync(this.kubeconfigPath, kubeconfig, { mode: 0o600 });
    writeFileSync(join(this.path, STATE), `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
  }

  kubeconfig(): string | undefined {
    return readTextIfThere(this.kubeconfigPath);
  }
}

/** When a process started, in ticks since boot; undefined when there is none of that number. */
export function startTicksOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19]; // a zombie has ended; field 22 of proc(5) is the start
  } catch {
    return undefined;
  }
}

function parse(text: string): PlaygroundState | undefined {
  try {
    return JSON.parse(text) as PlaygroundState;
  } catch {
    return undefined; // cut off by a kill: as good as not there
  }
}
