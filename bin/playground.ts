/**
 * `linkerd playground up | down | status | kubeconfig`: a small Kubernetes on this machine, with the product's own images.
 * `front` and `inner` are its two processes (see src/playground/front/front.ts) and not for people.
 */
import { existsSync, fstatSync, readFileSync, readlinkSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import {
  type Front,
  findFooting,
  type Machine,
  type PlaygroundState,
  runInner,
  StateFolder,
  startFront,
  startTicksOf,
} from "#playground";
import { imagesOf } from "./playground-images.ts";

const USAGE = `A small Kubernetes on this machine, for trying, developing and testing. It keeps nothing.

Usage:
  linkerd playground up [--foreground] [--port N]   start it; returns when it is ready
  linkerd playground status                         is it running, and where
  linkerd playground kubeconfig                     print a kubeconfig for kubectl, helm and linkerd
  linkerd playground down                           end it and everything in it

Options:
  --name NAME     several can run side by side (default "playground")
  -o, --output    "json" prints one JSON object
`;

const DOWN_MS = 25_000;
const POLL_MS = 20;

interface Options {
  readonly name: string;
  readonly isForeground: boolean;
  readonly isJson: boolean;
  readonly port: number;
  readonly server: string;
}

/** Runs one of the commands; returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const { word, options } = read(args);
    const command = commands[word];
    if (command) return await command(options);
    process.stderr.write(word === "" ? USAGE : `Unknown command "${word}"\n\n${USAGE}`);
    return word === "" || word === "help" ? 0 : 1;
  } catch (cause) {
    process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n`);
    return 1;
  }
}

const commands: Readonly<Record<string, (options: Options) => Promise<number>>> = {
  up,
  down,
  status,
  kubeconfig,
  front,
  inner,
};

function read(args: readonly string[]): { word: string; options: Options } {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      name: { type: "string", default: "playground" },
      foreground: { type: "boolean", default: false },
      output: { type: "string", short: "o", default: "text" },
      port: { type: "string", default: "0" },
      server: { type: "string", default: "" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`Cannot use port "${values.port}": wanted 0 to 65535`);
  if (values.output !== "text" && values.output !== "json")
    throw new Error(`Cannot print as "${values.output}": wanted json`);
  const options = {
    name: values.name,
    isForeground: values.foreground,
    isJson: values.output === "json",
    port,
    server: values.server,
  };
  return { word: values.help ? "" : (positionals[0] ?? ""), options };
}

async function up(options: Options): Promise<number> {
  const folder = folderOf(options.name);
  const running = folder.running();
  if (running) {
    process.stderr.write(
      `Playground "${options.name}" is running already (process ${running.pid}): end it with ${commandLine("down", options)}\n`,
    );
    return 1;
  }
  return options.isForeground ? await runFront(options, tellPeople(options)) : await startDetached(options);
}

/** Starts the front as a process of its own, waits until it is ready, and leaves it. */
async function startDetached(options: Options): Promise<number> {
  const child = Bun.spawn([...self(), "front", "--name", options.name, "--port", String(options.port)], {
    env: process.env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
    detached: true,
  });
  const tell = tellPeople(options);
  let text = "";
  for await (const chunk of child.stdout) {
    text += new TextDecoder().decode(chunk);
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      const told = JSON.parse(line) as Told;
      tell(told);
      if (told.kind !== "progress") {
        child.unref();
        return told.kind === "ready" ? 0 : 1;
      }
    }
  }
  tell({
    kind: "failed",
    text: `The playground's process ended before it was ready: see ${folderOf(options.name).logPath}`,
  });
  return 1;
}

/** What a front says while it starts. */
type Told =
  | { readonly kind: "progress"; readonly text: string }
  | { readonly kind: "ready"; readonly state: PlaygroundState; readonly kubeconfig: string }
  | { readonly kind: "failed"; readonly text: string };

async function front(options: Options): Promise<number> {
  return await runFront(options, (told) => {
    try {
      process.stdout.write(`${JSON.stringify(told)}\n`);
    } catch {
      // whoever started it does not listen any more
    }
  });
}

async function runFront(options: Options, tell: (told: Told) => void): Promise<number> {
  const folder = folderOf(options.name);
  const machine = thisMachine();
  let running: Front | undefined;
  let isStopped = false;
  const stop = (): void => {
    isStopped = true;
    void running?.stop();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  try {
    const footing = await findFooting(machine);
    running = await startFront({
      folder,
      machine,
      footing,
      inner: (server) => [...self(), "inner", "--server", server, "--name", footing.isRoot ? "root" : "user"],
      port: options.port,
      wallMs: () => Date.now(),
      progress: (text) => tell({ kind: "progress", text }),
    });
  } catch (cause) {
    tell({ kind: "failed", text: cause instanceof Error ? cause.message : String(cause) });
    return 1;
  }
  tell({ kind: "ready", state: running.state, kubeconfig: folder.kubeconfigPath });
  if (isStopped) stop();
  whenParentCloses(stop);
  await running.ended;
  process.stdin.destroy(); // an open pipe would keep this process
  return isStopped ? 0 : 1;
}

/** A pipe or socket as standard input is a parent's hand: when it lets go, the playground ends. */
function whenParentCloses(stop: () => void): void {
  const stdin = fstatSync(0);
  if (!stdin.isFIFO() && !stdin.isSocket()) return;
  process.stdin.on("data", () => {});
  process.stdin.on("end", stop);
  process.stdin.on("close", stop);
}

async function inner(options: Options): Promise<number> {
  process.umask(0o022); // the user's own may hide the containers' files from the user ids that run in them
  const { promise, resolve } = Promise.withResolvers<void>();
  process.stdin.on("data", () => {});
  process.stdin.on("end", () => resolve());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve());
  const machine = thisMachine();
  const code = await runInner({
    env: machine.env,
    images: imagesOf({ executable: executable(), script: script(), env: machine.env }),
    isRoot: options.name === "root",
    ...fetchedCommands(machine.env["PATH"] ?? ""),
    server: options.server,
    write: (message) => void process.stdout.write(`${JSON.stringify(message)}\n`),
    writeLog: (line) => void process.stderr.write(line),
    untilStopped: promise,
  });
  process.exit(code);
}

async function down(options: Options): Promise<number> {
  const folder = folderOf(options.name);
  const state = folder.running();
  if (!state) {
    folder.clear();
    say(options, { name: options.name, running: false }, `Playground "${options.name}" is not running`);
    return 0;
  }
  process.kill(state.pid, "SIGTERM");
  const deadlineMs = Date.now() + DOWN_MS;
  while (startTicksOf(state.pid) === state.startTicks && Date.now() < deadlineMs) await Bun.sleep(POLL_MS);
  if (startTicksOf(state.pid) === state.startTicks) process.kill(state.pid, "SIGKILL"); // takes everything with it
  folder.clear();
  say(options, { name: options.name, running: false }, `Playground "${options.name}" has ended`);
  return 0;
}

async function status(options: Options): Promise<number> {
  const folder = folderOf(options.name);
  const state = folder.running();
  if (!state) {
    say(
      options,
      { name: options.name, running: false },
      `Playground "${options.name}" is not running: start it with ${commandLine("up", options)}`,
    );
    return 1;
  }
  const lines = [
    `Playground "${state.name}" is running since ${state.startedAt}`,
    `  API server   ${state.server}`,
    `  kubeconfig   ${folder.kubeconfigPath}`,
    `  process      ${state.pid}${state.isRoot ? "" : " (in a user namespace)"}`,
  ];
  say(options, { running: true, ...state, kubeconfig: folder.kubeconfigPath }, lines.join("\n"));
  return 0;
}

async function kubeconfig(options: Options): Promise<number> {
  const folder = folderOf(options.name);
  const text = folder.running() && folder.kubeconfig();
  if (!text) {
    process.stderr.write(`Playground "${options.name}" is not running: start it with ${commandLine("up", options)}\n`);
    return 1;
  }
  process.stdout.write(text);
  return 0;
}

function tellPeople(options: Options): (told: Told) => void {
  return (told) => {
    if (told.kind === "failed") process.stderr.write(`${told.text}\n`);
    else if (told.kind === "progress") process.stderr.write(`  ${told.text} ready\n`);
    else {
      const { state, kubeconfig: path } = told;
      const lines = [
        `Playground "${state.name}" is ready (${state.readyMs} ms) at ${state.server}`,
        `  export KUBECONFIG=${path}`,
      ];
      say(options, { running: true, ...state, kubeconfig: path }, lines.join("\n"));
    }
  };
}

function say(options: Options, data: object, text: string): void {
  process.stdout.write(options.isJson ? `${JSON.stringify(data)}\n` : `${text}\n`);
}

function commandLine(word: string, options: Options): string {
  return `linkerd playground ${word}${options.name === "playground" ? "" : ` --name ${options.name}`}`;
}

function folderOf(name: string): StateFolder {
  const base =
    process.env["LINKERD_PLAYGROUND_STATE"] ??
    join(process.env["XDG_STATE_HOME"] || join(homedir(), ".local", "state"), "linkerd-ts", "playground");
  return new StateFolder(base, name);
}

/** The machine as commands see it, with the usual administrators' folders on PATH. */
function thisMachine(): Machine {
  const env: Record<string, string> = {};
  for (const [key, value] of Object.entries(process.env)) if (value !== undefined) env[key] = value;
  const path = [...(env["PATH"] ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
  env["PATH"] = [...new Set(path.filter(Boolean))].join(delimiter);
  const uid = process.getuid!();
  return { uid, userName: nameOf(uid) ?? env["USER"] ?? String(uid), env };
}

/** The name of a user id in /etc/passwd (the runtime's own answer is $USER). */
function nameOf(uid: number): string | undefined {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  return lines.find((line) => line.split(":")[2] === String(uid))?.split(":")[0];
}

/**
 * When iptables comes from an unpacked package (a wrapper beside its `usr`), containers get that `usr` over their own,
 * and the plain names, which an installed package would make links for.
 */
function fetchedCommands(path: string): { usrLayers: string[]; containerTexts: Record<string, string> } {
  const found = Bun.which("iptables-restore", { PATH: path });
  const usr = found ? join(dirname(dirname(found)), "usr") : "";
  if (!existsSync(join(usr, "sbin", "iptables-nft"))) return { usrLayers: [], containerTexts: {} };
  const names = ["iptables", "ip6tables"].flatMap((name) => ["", "-restore", "-save"].map((suffix) => [name, suffix]));
  const texts = names.map(([name, suffix]) => [
    `/usr/sbin/${name}${suffix}`,
    `#!/bin/sh\nexec /usr/sbin/${name}-nft${suffix} "$@"\n`,
  ]);
  return { usrLayers: [usr], containerTexts: Object.fromEntries(texts) };
}

function executable(): string {
  return readlinkSync("/proc/self/exe");
}

/** The script that the executable runs; undefined in the single-file executable. */
function script(): string | undefined {
  return import.meta.dir.startsWith("/$bunfs") ? undefined : join(import.meta.dir, "main.ts");
}

function self(): string[] {
  const own = script();
  return own ? [executable(), own, "playground"] : [executable(), "playground"];
}
