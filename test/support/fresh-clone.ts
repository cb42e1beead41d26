/** A fresh clone of this checkout's last commit, with a home and a folder for temporary files of its own. */
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { until } from "./playground.ts";

const root = join(import.meta.dir, "..", "..");
const RUN_LIMIT_MS = 100_000;
/** What a clone would fetch and this checkout has already: not fetched again by every test. */
const FETCHED = ["bun-1.4.5", "debian", join("cache", "bun")];
const USER = "newcomer";
/** The newcomer, when tests run as root. */
export const USER_ID = 7_700;
const SUBORDINATE_IDS = "700000:65536";

export interface CloneRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export class FreshClone {
  readonly scratch = mkdtempSync(join(realpathSync(tmpdir()), "linkerd-ts-clone-"));
  readonly home = join(this.scratch, "home");
  readonly temporary = join(this.scratch, "temporary");
  readonly path: string;

  /** `below`: folders between home and clone. */
  constructor(below = "") {
    this.path = join(this.home, below, "linkerd-ts");
    chmodSync(this.scratch, 0o755);
    for (const folder of [dirname(this.path), this.temporary]) mkdirSync(folder, { recursive: true });
    must(["git", "clone", "-q", "--no-hardlinks", root, this.path]);
    for (const name of FETCHED) {
      const source = join(root, ".tools", name);
      mkdirSync(dirname(join(this.path, ".tools", name)), { recursive: true });
      if (existsSync(source)) must(["cp", "-a", "--reflink=auto", source, join(this.path, ".tools", name)]);
    }
  }

  /** Runs a command in the clone to its end. */
  async run(argv: readonly string[], env: Record<string, string> = {}): Promise<CloneRun> {
    const child = Bun.spawn([...argv], {
      cwd: this.path,
      env: this.env(env),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: RUN_LIMIT_MS,
    });
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    return { code: await child.exited, out, err };
  }

  /** The environment of somebody who has just come: nothing of this test's own. */
  env(more: Record<string, string> = {}): Record<string, string> {
    const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    return { PATH: [dirname(Bun.which("node")!), path].join(":"), HOME: this.home, TMPDIR: this.temporary, ...more };
  }

  /** What is there that git does not know and does not ignore, and what was put into home and temporary files. */
  strayFiles(): string[] {
    const git = ["git", "-c", `safe.directory=${this.path}`, "-C", this.path]; // it may belong to the newcomer
    const inClone = must([...git, "status", "--porcelain"])
      .split("\n")
      .filter(Boolean);
    const first = this.path.slice(this.home.length + 1).split("/")[0]!;
    const inHome = readdirSync(this.home, { recursive: true, encoding: "utf8" }).filter(
      (path) => path !== ".npm" && path.split("/")[0] !== first, // npm makes that folder, and leaves it empty
    );
    return [...inClone, ...inHome, ...readdirSync(this.temporary)];
  }

  remove(): void {
    rmSync(this.scratch, { recursive: true, force: true });
  }
}

/**
 * Words before a command that run it as an ordinary user of this machine who owns the clone. The user stands in a copy
 * of /etc that only this command sees, so the machine's own users stay as they are.
 */
export function asNewcomer(clone: FreshClone, options: { umask: string; hasSubordinateIds: boolean }): string[] {
  const etc = join(clone.scratch, "etc");
  must(["cp", "-a", "/etc", etc]);
  appendFileSync(join(etc, "passwd"), `${USER}:x:${USER_ID}:${USER_ID}::${clone.home}:/bin/sh\n`);
  appendFileSync(join(etc, "group"), `${USER}:x:${USER_ID}:\n`);
  for (const file of ["subuid", "subgid"])
    if (options.hasSubordinateIds) appendFileSync(join(etc, file), `${USER}:${SUBORDINATE_IDS}\n`);
  if (options.umask === "077")
    must(["sh", "-c", 'cd "$0" && chmod go-rwx . && git ls-files -z | xargs -0 chmod go-rwx', clone.path]);
  must(["chown", "-R", `${USER_ID}:${USER_ID}`, clone.home, clone.temporary]);
  const script = `mount --bind "$0" /etc && umask ${options.umask} && exec setpriv --reuid ${USER_ID} --regid ${USER_ID} --clear-groups -- "$@"`;
  return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, etc];
}

/** A folder with newuidmap and newgidmap as installed: Debian's, set-user-id root. */
export async function installIdMaps(clone: FreshClone): Promise<string> {
  const { ensureDebian } = (await import(join(root, "tools", "debian.mjs"))) as { ensureDebian(group: string): void };
  ensureDebian("user");
  const folder = join(clone.scratch, "bin");
  mkdirSync(folder, { mode: 0o755 });
  for (const name of ["newuidmap", "newgidmap"]) {
    const fetched = join(root, ".tools", "debian", "usr", "bin", name);
    copyFileSync(existsSync(fetched) ? fetched : Bun.which(name)!, join(folder, name));
    chmodSync(join(folder, name), 0o4755);
  }
  return folder;
}

/** Waits until `ask` is empty; says what was left otherwise. */
export async function untilEmpty(what: string, ask: () => readonly string[], deadlineMs: number): Promise<void> {
  await until(
    what,
    async () => {
      const left = ask();
      if (left.length > 0) throw new Error(`left: ${left.join(", ")}`);
      return true;
    },
    deadlineMs,
  );
}

function must(argv: string[]): string {
  const done = Bun.spawnSync(argv, { stdin: "ignore" });
  if (done.exitCode !== 0) throw new Error(`${argv.join(" ")} failed: ${done.stderr.toString()}`);
  return done.stdout.toString();
}
