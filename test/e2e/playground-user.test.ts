import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, kubectlPath, playgroundCommand, playgroundEnv, treeOf, until } from "../support/playground.ts";

/** An ordinary user of this machine, made for the test. As root only: nobody else may make users. */
const user = `pg${process.pid}`;
const ROOT = join(import.meta.dir, "..", "..");
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const isRoot = process.getuid?.() === 0;
const home = mkdtempSync(join(tmpdir(), "linkerd-ts-user-"));
let idMaps: string | undefined;

beforeAll(() => {
  if (!isRoot) return;
  must(["useradd", "--create-home", "--home-dir", join(home, "home"), user]);
  chmodSync(home, 0o755);
  idMaps = findIdMaps();
});
afterAll(() => {
  if (isRoot) Bun.spawnSync(["userdel", user]);
  rmSync(home, { recursive: true, force: true });
});

function must(argv: string[]): string {
  const done = Bun.spawnSync(argv, { cwd: home });
  if (done.exitCode !== 0) throw new Error(`${argv.join(" ")} failed: ${done.stderr.toString()}`);
  return done.stdout.toString();
}

/** The folder of newuidmap: installed, or Debian's package unpacked here (its set-user-id bit needs root). */
function findIdMaps(): string {
  const installed = Bun.which("newuidmap");
  if (installed) return join(installed, "..");
  must(["apt-get", "download", "-q", "uidmap"]);
  const deb = readdirSync(home).find((file) => file.endsWith(".deb"))!;
  must(["dpkg-deb", "-x", join(home, deb), join(home, "uidmap")]);
  return join(home, "uidmap", "usr", "bin");
}

/** A folder with copies of commands that the checkout has or the machine, without their special bits. */
function folderOf(name: string, commands: readonly string[]): string {
  const folder = join(home, name);
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  for (const command of commands) {
    const unpacked = join(ROOT, ".tools", "debian", "usr", "bin", command);
    const source = existsSync(unpacked) ? unpacked : Bun.which(command, { PATH: playgroundEnv()["PATH"]! })!;
    copyFileSync(source, join(folder, command));
    chmodSync(join(folder, command), 0o755);
  }
  return folder;
}

/** Runs a command as the user (as ourselves when we are ordinary already). */
function asUser(
  argv: readonly string[],
  path: readonly string[],
  before = playgroundEnv()["PATH"]!,
): { code: number; out: string; err: string } {
  const words = {
    PATH: [before, ...path].join(":"),
    HOME: join(home, "home"),
    LINKERD_PLAYGROUND_STATE: join(home, "home", "state"),
  };
  const prefix = isRoot ? ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--"] : [];
  const done = Bun.spawnSync([...prefix, ...argv], {
    env: words,
    cwd: join(home, isRoot ? "home" : ""),
    stdin: "ignore",
  });
  return { code: done.exitCode, out: done.stdout.toString(), err: done.stderr.toString() };
}

test("without newuidmap an ordinary user is told in one line what to install", () => {
  const installed = Bun.which("newuidmap", { PATH: SYSTEM_PATH });
  if (installed) {
    expect(statSync(installed).isFile()).toBe(true); // installed here: the message cannot be provoked
    return;
  }
  const up = asUser(playgroundCommand("up"), [], `${SYSTEM_PATH}:${folderOf("only-iptables", ["iptables-restore"])}`);
  expect(up.code).toBe(1);
  expect(up.err).toBe(
    "Without root the playground needs newuidmap and newgidmap for the pods' user ids: install the package uidmap (on Debian and Ubuntu: apt-get install uidmap)\n",
  );
});

test("an ordinary user whose newuidmap is not set-user-id is told so in one line", () => {
  const folder = folderOf("plain-id-maps", ["newuidmap", "newgidmap"]);
  const up = asUser(playgroundCommand("up"), [], `${folder}:${playgroundEnv()["PATH"]}`);
  expect({ code: up.code, out: up.out }).toEqual({ code: 1, out: "" });
  expect(up.err).toMatch(
    /^The ids that \/etc\/subuid has for user \S+ cannot be used \(newuidmap: .*Operation not permitted.*\): newuidmap and newgidmap must belong to root and be set-user-id; reinstall the package uidmap .*\n$/,
  );
  expect(existsSync(join(home, "home", "state"))).toBe(false);
});

test("an ordinary user runs pods under several user ids, with iptables, and leaves nothing", async () => {
  const path = idMaps ? [idMaps] : [];
  const up = asUser(playgroundCommand("up", "-o", "json"), path);
  expect(up.err + up.out).toContain('"running":true');
  const {
    pid,
    kubeconfig,
    isRoot: ranAsRoot,
  } = JSON.parse(up.out) as { pid: number; kubeconfig: string; isRoot: boolean };
  const tree = treeOf(pid);
  try {
    expect(ranAsRoot).toBe(false);
    if (isRoot) expect(readFileSync(`/proc/${pid}/status`, "utf8")).not.toContain("Uid:\t0");
    const kubectl = (input: string, ...args: string[]) =>
      Bun.spawnSync([kubectlPath(), ...args], {
        env: { KUBECONFIG: kubeconfig, HOME: home, PATH: "/usr/bin:/bin" },
        stdin: Buffer.from(input),
      });
    const script = "id -u; touch /usr/x 2>/dev/null || echo sealed; touch /data/x && echo data";
    const rules =
      "iptables -t nat -A OUTPUT -p tcp -m owner --uid-owner 2102 -j RETURN && iptables-save -t nat | grep -c uid-owner";
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "many" },
      spec: {
        restartPolicy: "Never",
        volumes: [{ name: "data", emptyDir: {} }],
        initContainers: [
          {
            name: "init",
            image: "none",
            command: ["sh", "-c", rules],
            securityContext: { runAsUser: 65534, runAsNonRoot: true, capabilities: { add: ["NET_ADMIN", "NET_RAW"] } },
          },
        ],
        containers: [
          {
            name: "a",
            image: "none",
            command: ["sh", "-c", script],
            securityContext: { runAsUser: 2102, readOnlyRootFilesystem: true },
            volumeMounts: [{ name: "data", mountPath: "/data" }],
          },
          {
            name: "b",
            image: "none",
            command: ["sh", "-c", "id -u; touch /usr/y && echo overlay; touch /home/y 2>/dev/null || echo kept"],
          },
        ],
      },
    };
    expect(kubectl(JSON.stringify(pod), "apply", "-f", "-").stderr.toString()).toBe("");
    await until("the pod to end", async () =>
      /Succeeded|Failed/.test(kubectl("", "get", "pod", "many", "-o", "jsonpath={.status.phase}").stdout.toString()),
    );
    const log = (container: string) => kubectl("", "logs", "many", "-c", container).stdout.toString();
    expect([log("init"), log("a"), log("b")]).toEqual(["1\n", "2102\nsealed\ndata\n", "0\noverlay\nkept\n"]);
    process.kill(pid, "SIGKILL");
    await until("the tree to end", async () => tree.every((one) => !isAlive(one)));
    expect(existsSync("/usr/y")).toBe(false);
  } finally {
    asUser(playgroundCommand("down"), path);
  }
});
