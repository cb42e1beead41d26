/**
 * One run of one container: a process in its pod's network namespace with its own mounts, process ids, host name and
 * IPC, over its own view of this machine's files.
 */
import { accessSync, closeSync, constants, fchownSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ContainerLog } from "./container-log.ts";
import { childrenOf } from "./process-tree.ts";
import { closeRoot, openRoot, sealRoot } from "./root-filesystem.ts";
import { makeMountPoint, resolveInRoot } from "./root-path.ts";
import { type Identity, setprivArguments } from "./security.ts";
import { bindMount, makePipe } from "./system-calls.ts";

export interface Mount {
  /** Folder or file of the node. */
  readonly source: string;
  /** Absolute path in the container. */
  readonly target: string;
  readonly isReadOnly: boolean;
}

export interface ContainerPlan {
  readonly netns: string;
  readonly hostname: string;
  /** A folder of this run's own. */
  readonly home: string;
  readonly command: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  readonly workdir: string;
  readonly identity: Identity;
  readonly mounts: readonly Mount[];
  readonly texts: Readonly<Record<string, string>>;
  readonly isRootNode: boolean;
  readonly usrLayers: readonly string[];
  readonly hasStdin: boolean;
}

/** The command cannot be started at all (not found, not executable). */
export class StartError extends Error {
  override readonly name = "StartError";
}

export interface Exit {
  /** 128 + signal when a signal ended it. */
  readonly code: number;
  readonly signal: number | undefined;
}

const ENTERING_POLL_MS = 5;

// Runs as root of the new namespaces, before the container's own user takes over. $1 root, $2 folder, $3 host name.
const ENTER = [
  'cd "$1" && pivot_root . . && umount -l . || exit 126',
  '{ printf %s "$3" > /proc/sys/kernel/hostname; } 2>/dev/null || hostname "$3"', // the file is not for user namespaces
  'cd "$2" || exit 126',
  "unset OLDPWD PWD",
  "shift 3",
  'exec "$@"',
].join("\n");

export class ContainerProcess {
  readonly plan: ContainerPlan;
  readonly root: string;
  readonly exited: Promise<Exit>;
  readonly #child: Bun.Subprocess<"pipe" | "ignore", number, number>;
  #initPid: number | undefined;

  constructor(plan: ContainerPlan, log: ContainerLog, wallMs: () => number, nodeEnv: Readonly<Record<string, string>>) {
    this.plan = plan;
    mkdirSync(plan.home, { recursive: true });
    try {
      this.root = prepareRoot(plan);
      checkCommand(this.root, plan);
    } catch (cause) {
      closeRoot(plan.home);
      throw cause;
    }
    const { uid, gid } = plan.identity;
    const streams = (["stdout", "stderr"] as const).map((name) => {
      const pipe = makePipe();
      fchownSync(pipe.writeFd, uid, gid); // so that the container's user may open /dev/stdout
      return { ...pipe, copied: copy(pipe.readFd, (chunk) => log.write(name, chunk, wallMs())) };
    });
    const [stdout, stderr] = streams.map((stream) => stream.writeFd) as [number, number];
    this.#child = Bun.spawn(enterCommand(plan, this.root, nodeEnv["PATH"] ?? ""), {
      env: Object.fromEntries(plan.env),
      stdin: plan.hasStdin ? "pipe" : "ignore",
      stdout,
      stderr,
      detached: true, // a session of its own: the terminal's signals do not reach it
    });
    for (const stream of streams) closeSync(stream.writeFd);
    this.exited = this.#finish(
      streams.map((stream) => stream.copied),
      log,
      wallMs,
    );
  }

  async #finish(streams: Promise<void>[], log: ContainerLog, wallMs: () => number): Promise<Exit> {
    await this.#child.exited;
    await Promise.all(streams);
    log.end(wallMs());
    closeRoot(this.plan.home);
    rmSync(this.plan.home, { recursive: true, force: true });
    const signal = this.#child.signalCode ? (SIGNALS[this.#child.signalCode] ?? 9) : undefined;
    const code = this.#child.exitCode ?? 128 + (signal ?? 9);
    return { code, signal: signal ?? (code > 128 && code <= 192 ? code - 128 : undefined) };
  }

  /** The process id, on this side, of the container's process 1; undefined while it is being made or after its end. */
  get initPid(): number | undefined {
    this.#initPid ??= childrenOf(this.#child.pid)[0];
    return this.hasEnded ? undefined : this.#initPid;
  }

  /** True once process 1 has left the node's files behind: from then on it can be entered and takes signals. */
  get isEntered(): boolean {
    const pid = this.initPid;
    if (pid === undefined) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      const own = setprivArguments(this.plan.identity); // the last step before the container's own command
      return words.length > 1 && !words.includes(ENTER) && !own.every((word, index) => words[index] === word);
    } catch {
      return false; // gone
    }
  }

  /** Resolves when process 1 can be entered, a few milliseconds after the start; false when it ended before. */
  async entered(): Promise<boolean> {
    while (!this.isEntered) {
      if (this.hasEnded) return false;
      await Bun.sleep(ENTERING_POLL_MS);
    }
    return true;
  }

  get stdin(): Bun.FileSink | undefined {
    return this.#child.stdin;
  }

  /** Asks process 1 to end. As on a cluster it is ignored by programs that have no handler. */
  signal(name: NodeJS.Signals): void {
    if (name === "SIGKILL") this.#kill();
    else if (this.isEntered) this.#send(name);
    else if (!this.hasEnded) setTimeout(() => this.signal(name), ENTERING_POLL_MS); // a shell that enters would ignore it
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #kill(): void {
    if (this.initPid === undefined)
      this.#child.kill("SIGKILL"); // no process 1 yet; --kill-child sees to the rest
    else this.#send("SIGKILL");
  }

  #send(name: NodeJS.Signals): void {
    try {
      process.kill(this.initPid!, name);
    } catch {
      // ended in between
    }
  }

  /** A command line that runs `command` inside, as the container's user. */
  enterArguments(command: readonly string[]): string[] {
    const pid = this.initPid;
    if (pid === undefined) throw new Error("the container has no process");
    return [
      "nsenter",
      "-t",
      String(pid),
      "-n",
      "-m",
      "-p",
      "-u",
      "-i",
      "-r",
      `-w/proc/${pid}/cwd`,
      ...setprivArguments(this.plan.identity),
      ...command,
    ];
  }
}

const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

function prepareRoot(plan: ContainerPlan): string {
  const root = openRoot({ home: plan.home, isRoot: plan.isRootNode, usrLayers: plan.usrLayers, texts: plan.texts });
  const workdir = resolveInRoot(root, plan.workdir);
  mkdirSync(workdir, { recursive: true });
  for (const mount of [...plan.mounts].sort((a, b) => a.target.length - b.target.length)) {
    const kind = statSync(mount.source).isDirectory() ? "folder" : "file";
    bindMount(mount.source, makeMountPoint(root, mount.target, kind), mount.isReadOnly);
  }
  if (plan.identity.isReadOnly) sealRoot(plan, root, plan.isRootNode);
  return root;
}

function enterCommand(plan: ContainerPlan, root: string, path: string): string[] {
  return [
    ...[which("nsenter", path), `--net=${plan.netns}`],
    ...[which("unshare", path), "-m", "-p", "-u", "-i", "-f", "--kill-child=SIGKILL"],
    ...["--propagation", "private", `--mount-proc=${root}/proc`],
    ...["/bin/sh", "-c", ENTER, "sh", root, plan.workdir, plan.hostname],
    ...setprivArguments(plan.identity),
    ...plan.command,
  ];
}

function which(name: string, path: string): string {
  return Bun.which(name, { PATH: path }) ?? name;
}

/** Says in the runtime's own words what is wrong with the command, before anything is started. */
function checkCommand(root: string, plan: ContainerPlan): void {
  const name = plan.command[0]!;
  const folders = name.includes("/") ? [""] : (plan.env.get("PATH") ?? "").split(":");
  for (const folder of folders) {
    const path = name.includes("/") ? (name.startsWith("/") ? name : join(plan.workdir, name)) : join(folder, name);
    try {
      const at = resolveInRoot(root, path);
      accessSync(at, constants.X_OK);
      if (statSync(at).isFile()) return;
    } catch {
      // not in this folder
    }
  }
  const where = name.includes("/") ? "no such file or directory" : "executable file not found in $PATH";
  throw new StartError(`exec: "${name}": ${where}`);
}

async function copy(fd: number, sink: (chunk: Uint8Array) => void): Promise<void> {
  try {
    for await (const chunk of Bun.file(fd).stream()) sink(chunk);
  } finally {
    closeSync(fd);
  }
}
