/** A machine without the commands that are fetched, and without the means to fetch them: the packages are named. */
import { afterAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

const root = join(import.meta.dir, "..", "..");
const scratch = mkdtempSync(join(tmpdir(), "linkerd-ts-missing-"));
const clone = join(scratch, "clone");
const IPTABLES = ["iptables", "iptables-restore", "ip6tables-restore"];
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

makeClone();
const asMade = listing();

/** The bootstrap as in a clone that has Bun and its packages; `.tools` holds nothing else. */
function makeClone(): void {
  cpSync(join(root, "tools"), join(clone, "tools"), { recursive: true });
  for (const file of ["package.json", "bun.lock"]) cpSync(join(root, file), join(clone, file));
  const bun = dirname(process.execPath);
  mkdirSync(join(clone, ".tools"));
  symlinkSync(bun, join(clone, ".tools", basename(bun)));
  mkdirSync(join(clone, "node_modules"));
  const digest = createHash("sha256")
    .update(readFileSync(join(clone, "bun.lock")))
    .digest("hex");
  writeFileSync(join(clone, "node_modules", ".lock-digest"), digest);
}

function listing(): string[] {
  return readdirSync(clone, { recursive: true, encoding: "utf8" }).sort();
}

/** A folder that is all of PATH: Node, and these commands, each with its script. */
function pathOf(commands: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(scratch, "path-"));
  symlinkSync(Bun.which("node")!, join(folder, "node"));
  for (const [name, script] of Object.entries(commands)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}

function present(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, "exit 1"]));
}

/** Runs `npm run <command>`'s program in a mount namespace whose /usr/sbin is empty: it is searched whatever PATH says. */
function bootstrap(command: string, path: string): { code: number; out: string; err: string } {
  const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const script = 'mount -t tmpfs none /usr/sbin && exec env -i PATH="$0" node tools/run.mjs "$1"';
  const argv = ["unshare", ...user, "--mount", "--propagation", "private", "sh", "-c", script, path, command];
  const done = Bun.spawnSync(argv, { cwd: clone, stdin: "ignore" });
  return { code: done.exitCode, out: done.stdout.toString(), err: done.stderr.toString() };
}

for (const [command, there, missing, packages] of [
  ["demo", [], "iptables, iptables-restore, ip6tables-restore", "iptables"],
  ["demo", ["iptables"], "iptables-restore, ip6tables-restore", "iptables"],
  ["demo", ["iptables", "dpkg-deb"], "iptables-restore, ip6tables-restore", "iptables"],
  ["test", IPTABLES, "tcpdump", "tcpdump"],
  ["bench", IPTABLES, "nginx, haproxy, nghttpx, h2load, wrk", "nginx haproxy nghttp2-proxy nghttp2-client wrk"],
  ["bench", [...IPTABLES, "nginx", "h2load", "wrk"], "haproxy, nghttpx", "haproxy nghttp2-proxy"],
] as const) {
  test(`npm run ${command} without apt and ${missing}, with ${there.join(" ") || "nothing"}, names the packages`, () => {
    expect(bootstrap(command, pathOf(present(there)))).toEqual({
      code: 1,
      out: "",
      err: `This machine has no ${missing}, and no apt to fetch them with. Install ${packages} (Debian's names; there: apt-get install ${packages}), and run this again\n`,
    });
    expect(listing()).toEqual(asMade);
  });
}

test("an apt that cannot download is quoted, the packages are named, and nothing half done stays", () => {
  const apt = 'echo "E: Could not resolve the archive" >&2; exit 100';
  const { code, out, err } = bootstrap(
    "demo",
    pathOf({ "apt-get": apt, "dpkg-deb": "exit 1", "dpkg-query": "exit 1" }),
  );
  expect({ code, out }).toEqual({ code: 1, out: "" });
  const lines = err.trimEnd().split("\n");
  expect(lines[0]).toBe("Fetching Debian packages for playground ...");
  expect(lines[1]).toMatch(/^Cannot download iptables .*:$/);
  expect(lines[2]).toBe("E: Could not resolve the archive");
  expect(lines[3]).toBe("Install iptables (Debian's names; there: apt-get install iptables), and run this again");
  expect(lines.length).toBe(4);
  expect(listing()).toEqual(asMade);
});
