/** A playground for tests: real processes, a state folder of its own, gone afterwards whatever happens. */
import { afterAll } from "bun:test";
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "..", "..");
const DEADLINE_MS = 20_000;
const POLL_MS = 25;

const debian = (await import(join(root, "tools", "debian.mjs"))) as {
  debianEnv(): Record<string, string>;
  ensureDebian(group: string): void;
};
const tools = (await import(join(root, "tools", "kubectl.mjs"))) as {
  ensureKubectl(): { kubectl: string; helm: string };
};

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One running playground. */
export class TestPlayground {
  readonly folder: string;
  readonly frontPid: number;
  readonly kubeconfig: string;
  readonly readyMs: number;
  readonly #front: Bun.Subprocess<"pipe", "pipe", "inherit">;

  private constructor(
    folder: string,
    front: Bun.Subprocess<"pipe", "pipe", "inherit">,
    ready: { pid: number; kubeconfig: string; readyMs: number },
  ) {
    this.folder = folder;
    this.#front = front;
    this.frontPid = ready.pid;
    this.kubeconfig = ready.kubeconfig;
    this.readyMs = ready.readyMs;
  }

  /** Starts one in the foreground, its life tied to ours by a pipe. */
  static async start(name = "test"): Promise<TestPlayground> {
    debian.ensureDebian("playground");
    const folder = mkdtempSync(join(tmpdir(), "linkerd-ts-playground-"));
    const front = Bun.spawn(playgroundCommand("up", "--foreground", "-o", "json", "--name", name), {
      env: { ...debian.debianEnv(), LINKERD_PLAYGROUND_STATE: folder },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    const reader = front.stdout.getReader();
    const { value } = await reader.read();
    if (!value) throw new Error("The playground ended before it was ready");
    return new TestPlayground(folder, front, JSON.parse(new TextDecoder().decode(value)));
  }

  /** Lets go of the pipe and waits for the end. */
  async stop(): Promise<number> {
    await this.#front.stdin.end();
    const code = await this.#front.exited;
    rmSync(this.folder, { recursive: true, force: true });
    return code;
  }

  get exited(): Promise<number> {
    return this.#front.exited;
  }

  signal(name: NodeJS.Signals): void {
    this.#front.kill(name);
  }

  /** Runs the real kubectl to its end. */
  async kubectl(args: readonly string[], input = ""): Promise<Ran> {
    const child = Bun.spawn([kubectlPath(), ...args], {
      env: { ...process.env, KUBECONFIG: this.kubeconfig, HOME: this.folder },
      stdin: Buffer.from(input),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, out, err };
  }

  /** The same, for what must succeed: returns its output. */
  async run(...args: readonly string[]): Promise<string> {
    const ran = await this.kubectl(args);
    if (ran.code !== 0) throw new Error(`kubectl ${args.join(" ")} failed (${ran.code}): ${ran.err}${ran.out}`);
    return ran.out;
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const ran = await this.kubectl(
      ["apply", "-f", "-"],
      objects.map((object) => JSON.stringify(object)).join("\n---\n"),
    );
    if (ran.code !== 0) throw new Error(`kubectl apply failed: ${ran.err}`);
  }

  async get<T>(...what: readonly string[]): Promise<T> {
    return JSON.parse(await this.run("get", ...what, "-o", "json")) as T;
  }
}

/** Waits until `ask` gives something; fails with the last thing it said. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  let last: unknown;
  while (performance.now() < endMs) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (cause) {
      last = cause;
    }
    await Bun.sleep(POLL_MS);
  }
  throw new Error(`Waited ${deadlineMs} ms in vain for ${what}${last ? `: ${String(last)}` : ""}`);
}

/** Command line of the playground in this checkout. */
export function playgroundCommand(...words: readonly string[]): string[] {
  return [process.execPath, join(root, "bin", "main.ts"), "playground", ...words];
}

export function playgroundEnv(): Record<string, string> {
  debian.ensureDebian("playground");
  return debian.debianEnv();
}

/**
 * Bun as containers find it: they have a /tmp and a /run of their own, where this checkout may lie. Then it is a copy,
 * taken away after the test file that asks for it.
 */
export function visibleBun(): string {
  if (!/^\/(tmp|run)\//.test(process.execPath)) return process.execPath;
  const folder = mkdtempSync("/var/tmp/linkerd-ts-bun-");
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  copyFileSync(process.execPath, join(folder, "bun"));
  return join(folder, "bun");
}

export function kubectlPath(): string {
  return tools.ensureKubectl().kubectl;
}

/** Every process below `pid`, and itself. */
export function treeOf(pid: number): number[] {
  const parents = new Map<number, number[]>();
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const parent = parentOf(Number(entry));
    if (parent !== undefined) parents.set(parent, [...(parents.get(parent) ?? []), Number(entry)]);
  }
  const found = [pid];
  for (let i = 0; i < found.length; i++) found.push(...(parents.get(found[i]!) ?? []));
  return found;
}

/** True while a process runs (a zombie does not). */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) !== "Z";
  } catch {
    return false;
  }
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined; // ended meanwhile
  }
}
