import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, playgroundCommand, playgroundEnv, TestPlayground, treeOf, until } from "../support/playground.ts";

const started: TestPlayground[] = [];
afterAll(async () => {
  for (const playground of started) await playground.stop();
});

async function withPods(name: string): Promise<TestPlayground> {
  const playground = await TestPlayground.start(name);
  started.push(playground);
  await playground.run("create", "deployment", "idle", "--image=none", "--replicas=4", "--", "sleep", "100000");
  await playground.run("rollout", "status", "deployment/idle", "--timeout=20s");
  return playground;
}

/** What a playground could leave on the machine: names and links of networks, and mounts. */
function traces(): string[] {
  const netns = existsSync("/run/netns") ? readdirSync("/run/netns") : [];
  const links = readdirSync("/sys/class/net");
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "");
  return [
    ...netns.map((name) => `netns ${name}`),
    ...links.map((name) => `link ${name}`),
    ...mounts.map((at) => `mount ${at}`),
  ].sort();
}

function namespaceOf(pid: number, kind: string): string {
  return readlinkSync(`/proc/${pid}/ns/${kind}`);
}

for (const victim of ["front", "unshare", "inner"] as const) {
  test(`kill -9 of the ${victim} process takes everything with it`, async () => {
    const before = traces();
    const playground = await withPods(`kill-${victim}`);
    const tree = treeOf(playground.frontPid);
    const [front, unshare, inner] = tree as [number, number, number];
    expect(tree.length).toBeGreaterThan(10); // three, and at least two for each pod
    expect(traces()).toEqual(before);
    process.kill({ front, unshare, inner }[victim], "SIGKILL");
    await until("all processes to end", async () => tree.every((pid) => !isAlive(pid)));
    expect(traces()).toEqual(before);
    expect(await playground.exited).not.toBe(0);
  });
}

test("kill -9 of one pod's process ends that container only, and it is started again", async () => {
  const playground = await withPods("kill-pod");
  const pods = await playground.get<{ items: { metadata: { name: string } }[] }>("pods");
  const [name] = pods.items.map((pod) => pod.metadata.name);
  const inner = treeOf(playground.frontPid)[2]!;
  const sleeper = treeOf(inner).find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("sleep\0"))!;
  process.kill(sleeper, "SIGKILL");
  await until("the restart", async () => {
    const { items } = await playground.get<{
      items: { status: { containerStatuses: { restartCount: number; ready: boolean }[] } }[];
    }>("pods");
    const statuses = items.map((pod) => pod.status.containerStatuses[0]!);
    return (
      statuses.filter((status) => status.restartCount === 1).length === 1 && statuses.every((status) => status.ready)
    );
  });
  expect(name).toBeDefined();
});

test("the end of the parent's pipe ends the playground in order, with its state", async () => {
  const playground = await withPods("pipe");
  const tree = treeOf(playground.frontPid);
  const folder = join(playground.folder, "pipe");
  expect(readdirSync(folder).sort()).toEqual(["api.sock", "kubeconfig", "playground.log", "state.json"]);
  expect(await playground.stop()).toBe(0);
  expect(tree.filter(isAlive)).toEqual([]);
});

test("SIGINT drains: pods get SIGTERM before the end", async () => {
  const playground = await TestPlayground.start("sigint");
  started.push(playground);
  const command = ["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.05; done"];
  await playground.run("create", "deployment", "polite", "--image=none", "--", ...command);
  await playground.run("rollout", "status", "deployment/polite", "--timeout=20s");
  const tree = treeOf(playground.frontPid);
  playground.signal("SIGINT");
  expect(await playground.exited).toBe(0);
  expect(tree.filter(isAlive)).toEqual([]);
});

test("pods have sessions and namespaces of their own", async () => {
  const playground = await withPods("sessions");
  const [front, , inner] = treeOf(playground.frontPid) as [number, number, number];
  const sleepers = await until("four sleeping processes", async () => {
    const found = treeOf(inner).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("sleep\0"));
    return found.length === 4 && found;
  });
  const sessionOf = (pid: number): string => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[3]!;
  expect(new Set([front, inner, ...sleepers].map(sessionOf)).size).toBe(6);
  for (const kind of ["net", "mnt", "pid", "uts", "ipc"])
    expect(new Set([process.pid, inner, ...sleepers].map((pid) => namespaceOf(pid, kind))).size).toBe(6);
});

test("two playgrounds run side by side, each with the same addresses and its own traffic", async () => {
  const [one, two] = await Promise.all([TestPlayground.start("one"), TestPlayground.start("two")]);
  started.push(one, two);
  for (const [playground, word] of [
    [one, "first"],
    [two, "second"],
  ] as const) {
    await playground.run("create", "configmap", "who", `--from-literal=word=${word}`);
    const overrides = {
      spec: {
        containers: [
          {
            name: "who",
            image: "none",
            command: ["cat", "/who/word"],
            volumeMounts: [{ name: "who", mountPath: "/who" }],
          },
        ],
        volumes: [{ name: "who", configMap: { name: "who" } }],
      },
    };
    await playground.run("run", "who", "--image=none", "--restart=Never", `--overrides=${JSON.stringify(overrides)}`);
    await playground.run("wait", "pod/who", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=20s");
  }
  const addresses = await Promise.all(
    [one, two].map((p) => p.run("get", "pod", "who", "-o", "jsonpath={.status.podIP}")),
  );
  expect(addresses[0]).toBe(addresses[1]!);
  expect(await Promise.all([one, two].map((p) => p.run("logs", "who")))).toEqual(["first", "second"]);
});

test("up, status, kubeconfig and down work in the background, and a second up says what to do", async () => {
  const state = mkdtempSync(join(tmpdir(), "linkerd-ts-playground-"));
  const env = { ...playgroundEnv(), LINKERD_PLAYGROUND_STATE: state };
  const run = (...words: string[]) => {
    const done = Bun.spawnSync(playgroundCommand(...words), { env, stdin: "ignore" });
    return { code: done.exitCode, out: done.stdout.toString(), err: done.stderr.toString() };
  };
  try {
    expect(run("status", "-o", "json")).toEqual({ code: 1, out: '{"name":"playground","running":false}\n', err: "" });
    const up = run("up", "-o", "json");
    expect(up.code).toBe(0);
    const { pid, server } = JSON.parse(up.out) as { pid: number; server: string };
    const tree = treeOf(pid);
    expect(run("kubeconfig").out).toContain(server);
    const again = run("up");
    expect(again.code).toBe(1);
    expect(again.err).toBe(
      `Playground "playground" is running already (process ${pid}): end it with linkerd playground down\n`,
    );
    expect(JSON.parse(run("status", "-o", "json").out)).toMatchObject({ running: true, pid, server });
    expect(run("down").out).toBe('Playground "playground" has ended\n');
    expect(tree.filter(isAlive)).toEqual([]);
    expect(readdirSync(join(state, "playground"))).toEqual(["playground.log"]);
    expect(run("kubeconfig").code).toBe(1);
  } finally {
    run("down");
    rmSync(state, { recursive: true, force: true });
  }
});

test("what a killed playground left is cleared by the next up", async () => {
  const state = mkdtempSync(join(tmpdir(), "linkerd-ts-playground-"));
  const env = { ...playgroundEnv(), LINKERD_PLAYGROUND_STATE: state };
  const up = () =>
    JSON.parse(Bun.spawnSync(playgroundCommand("up", "-o", "json"), { env, stdin: "ignore" }).stdout.toString()) as {
      pid: number;
    };
  try {
    const first = up();
    const tree = treeOf(first.pid);
    process.kill(first.pid, "SIGKILL");
    await until("the tree to end", async () => tree.every((pid) => !isAlive(pid)));
    expect(up().pid).not.toBe(first.pid);
  } finally {
    Bun.spawnSync(playgroundCommand("down"), { env, stdin: "ignore" });
    rmSync(state, { recursive: true, force: true });
  }
});

test("a port that is taken is named", () => {
  const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const state = mkdtempSync(join(tmpdir(), "linkerd-ts-playground-"));
  const env = { ...playgroundEnv(), LINKERD_PLAYGROUND_STATE: state };
  const done = Bun.spawnSync(playgroundCommand("up", "--port", String(taken.port)), { env, stdin: "ignore" });
  taken.stop(true);
  rmSync(state, { recursive: true, force: true });
  expect(done.exitCode).toBe(1);
  expect(done.stderr.toString()).toContain(`Cannot listen on 127.0.0.1:${taken.port}`);
});

test("a missing command is named with its package", () => {
  const state = mkdtempSync(join(tmpdir(), "linkerd-ts-playground-"));
  const env = { PATH: "/nowhere", LINKERD_PLAYGROUND_STATE: state, HOME: state };
  const done = Bun.spawnSync(playgroundCommand("up"), { env: env, stdin: "ignore" });
  rmSync(state, { recursive: true, force: true });
  const hasIptables = ["/usr/sbin/iptables-restore", "/sbin/iptables-restore"].some(existsSync);
  if (hasIptables) expect(done.exitCode).toBe(0);
  else expect(done.stderr.toString()).toContain("not found on PATH: install iptables");
  Bun.spawnSync(playgroundCommand("down"), { env, stdin: "ignore" });
});
