import { readdirSync, readFileSync } from "node:fs";
import { type Host, on } from "./namespaces.ts";

/** A program under measurement or beside it, with its children. */
export class LabProcess {
  readonly name: string;
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #output: Promise<string>;

  constructor(name: string, host: Host, command: readonly string[], env: Record<string, string> = {}) {
    this.name = name;
    this.#child = Bun.spawn(on(host, command), {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, ...env },
    });
    this.#output = new Response(this.#child.stderr).text();
    void new Response(this.#child.stdout).text();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** This process and all below it. */
  pids(): number[] {
    return withDescendants(this.#child.pid);
  }

  async stop(): Promise<void> {
    for (const pid of this.pids().reverse()) signal(pid, "SIGTERM");
    const isGone = await Promise.race([this.#child.exited.then(() => true), Bun.sleep(3_000).then(() => false)]);
    if (!isGone) for (const pid of this.pids()) signal(pid, "SIGKILL");
    await this.#child.exited;
  }

  /** What it wrote to standard error; resolves when it ends. */
  output(): Promise<string> {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {} // already gone
}

function withDescendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = readProc(Number(entry), "stat");
    if (stat === undefined) continue;
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found: number[] = [];
  const visit = (one: number): void => {
    found.push(one);
    for (const child of children.get(one) ?? []) visit(child);
  };
  visit(pid);
  return found;
}

/** A file of /proc/<pid>, or undefined when the process is gone. */
export function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined; // it ended between listing and reading
  }
}

/** CPU time spent by these processes and all their threads, in microseconds (the scheduler's own nanoseconds). */
export function cpuUs(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    let threads: string[] = [];
    try {
      threads = readdirSync(`/proc/${pid}/task`);
    } catch {} // gone
    for (const thread of threads) total += Number(readProc(pid, `task/${thread}/schedstat`)?.split(" ")[0] ?? 0);
  }
  return total / 1_000;
}

export interface Memory {
  readonly rssAnonKb: number;
  readonly rssKb: number;
  readonly pssKb: number;
}

/** Memory of these processes together. */
export function memoryOf(pids: readonly number[]): Memory {
  const sum = { rssAnonKb: 0, rssKb: 0, pssKb: 0 };
  for (const pid of pids) {
    sum.rssAnonKb += kilobytes(readProc(pid, "status"), "RssAnon");
    sum.rssKb += kilobytes(readProc(pid, "status"), "VmRSS");
    sum.pssKb += kilobytes(readProc(pid, "smaps_rollup"), "Pss");
  }
  return sum;
}

const PEAK_EVERY_MS = 10;

/** The most private memory that a program holds between making this and `stop`, in KB. */
export class PeakMemory {
  readonly #timer: Timer;
  #peakKb = 0;

  constructor(process: LabProcess) {
    this.#timer = setInterval(() => {
      const statuses = process.pids().map((pid) => readProc(pid, "status")); // smaps would cost what is measured
      const nowKb = statuses.reduce((sum, status) => sum + kilobytes(status, "RssAnon"), 0);
      this.#peakKb = Math.max(this.#peakKb, nowKb);
    }, PEAK_EVERY_MS);
  }

  stop(): number {
    clearInterval(this.#timer);
    return this.#peakKb;
  }
}

function kilobytes(text: string | undefined, field: string): number {
  return Number(text?.match(new RegExp(`^${field}:\\s+(\\d+) kB`, "m"))?.[1] ?? 0);
}

/** Polls until `check` answers true; the failure names what was awaited and what the process said. */
export async function waitFor(
  what: string,
  process: LabProcess | undefined,
  check: () => Promise<boolean>,
): Promise<void> {
  const deadlineMs = performance.now() + 15_000;
  while (performance.now() < deadlineMs) {
    if (process?.hasEnded)
      throw new Error(`${process.name} ended while waiting for ${what}:\n${await process.output()}`);
    if (await check().catch(() => false)) return;
    await Bun.sleep(20);
  }
  await process?.stop(); // or its output would not end
  throw new Error(`Nothing came of waiting for ${what} within 15 s:\n${(await process?.output()) ?? ""}`);
}
