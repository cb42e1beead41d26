/** Nothing is left of a demo, whichever of its processes is killed. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { FreshClone, untilEmpty } from "../support/fresh-clone.ts";
import { isAlive, treeOf, until } from "../support/playground.ts";

const START_MS = 60_000;
const END_MS = 25_000; // the playground's own drain and some more
let clone: FreshClone;
let before: Set<string>;

/** As root, a process whose network, mounts and /run the demo gets, so that nobody else's come and go in them. */
let holder: Bun.Subprocess<"pipe", "pipe", "inherit"> | undefined;

beforeAll(async () => {
  clone = new FreshClone();
  const built = await clone.run(["npm", "run", "build"]);
  expect({ code: built.code, err: built.code === 0 ? "" : built.err }).toEqual({ code: 0, err: "" });
  if (process.getuid?.() === 0) holder = await hold();
  before = new Set(traces());
}, START_MS);
afterAll(() => {
  holder?.stdin.end();
  clone.remove();
});

async function hold(): Promise<NonNullable<typeof holder>> {
  const script = "mount -t tmpfs private /run && ip link set lo up && echo held && exec cat";
  const words = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script];
  const child = Bun.spawn(words, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  await child.stdout.getReader().read();
  return child;
}

/** What there is of networks and mounts where the demo runs. */
function traces(): string[] {
  const at = `/proc/${holder?.pid ?? process.pid}`;
  const names = existsSync(`${at}/root/run/netns`) ? readdirSync(`${at}/root/run/netns`) : [];
  const links = readFileSync(`${at}/net/dev`, "utf8").matchAll(/^\s*(\S+):/gm);
  const mounts = readFileSync(`${at}/mountinfo`, "utf8").split("\n");
  return [
    ...names.map((name) => `netns ${name}`),
    ...[...links].map(([, name]) => `link ${name}`),
    ...mounts.map((line) => `mount ${line.split(" ")[4]}`),
  ];
}

interface Demo {
  readonly process: Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** Everything that was said on standard error and output. */
  said(): string;
  readonly tree: () => { pid: number; words: string }[];
}

/** Starts `npm run demo` as a shell does: in a process group of its own. */
async function startDemo(untilSaid: string): Promise<Demo> {
  const enter = holder
    ? ["nsenter", `--net=/proc/${holder.pid}/ns/net`, `--mount=/proc/${holder.pid}/ns/mnt`, "--"]
    : [];
  const words = [...enter, "sh", "-c", 'cd "$0" && exec npm run demo', clone.path];
  const child = Bun.spawn(words, {
    cwd: clone.path,
    env: clone.env(),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    void (async () => {
      for await (const chunk of stream) text += new TextDecoder().decode(chunk);
    })();
  const tree = () => treeOf(child.pid).map((pid) => ({ pid, words: commandLine(pid) }));
  const demo = { process: child, said: () => text, tree };
  await until(`"${untilSaid}"`, async () => text.includes(untilSaid), START_MS).catch((cause) => {
    throw new Error(`${cause.message}\n${text}`);
  });
  return demo;
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // it has ended
  }
}

async function nothingIsLeft(tree: readonly { pid: number; words: string }[]): Promise<void> {
  const left = (): string[] => [
    ...tree.filter(({ pid, words }) => isAlive(pid) && commandLine(pid) === words).map(({ words }) => words),
    ...clone.strayFiles(),
    ...traces().filter((trace) => !before.has(trace)),
  ];
  await untilEmpty("nothing to be left", left, END_MS);
}

const VICTIMS: Readonly<Record<string, RegExp>> = {
  npm: /^npm run demo/,
  "the bootstrap": /^node tools\/run\.mjs demo/,
  "the demo": /^\S+\/bun run \S+\/tools\/demo\.ts/,
  "the playground's front": /^\S+\/linkerd playground up/,
  unshare: /^\S+\/unshare --net /,
  "the playground's inner process": /^\S+\/linkerd playground inner/,
};

for (const [name, pattern] of Object.entries(VICTIMS)) {
  test(`nothing is left after kill -9 of ${name}`, async () => {
    const demo = await startDemo("Installing the voting shop");
    const tree = demo.tree();
    const victims = tree.filter(({ words }) => pattern.test(words));
    expect(victims.map(({ words }) => words)).toHaveLength(1);
    expect(tree.length).toBeGreaterThan(15);
    process.kill(victims[0]!.pid, "SIGKILL");
    await nothingIsLeft(tree);
    expect(await demo.process.exited).not.toBe(0);
  });
}

test("a killed proxy and a killed part of the shop come back, and Ctrl-C leaves nothing", async () => {
  const demo = await startDemo("Ctrl-C ends all of it");
  const tree = demo.tree();
  const running = (pattern: RegExp) => demo.tree().filter(({ words }) => pattern.test(words));
  for (const pattern of [/^\/opt\/linkerd\/linkerd proxy/, /^\/opt\/linkerd\/bun \S+ web/]) {
    const [victim, ...others] = running(pattern);
    expect(victim).toBeDefined();
    process.kill(victim!.pid, "SIGKILL");
    await until(`${victim!.words} to run again`, async () => running(pattern).length > others.length);
  }
  tree.push(...demo.tree());
  process.kill(-demo.process.pid, "SIGINT");
  await nothingIsLeft(tree);
  expect(demo.said()).not.toContain("The demo failed");
});
