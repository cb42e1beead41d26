/** A command that runs inside a container, or a container's own streams, as the API server hands them to clients. */
import type { Subprocess } from "bun";
import type { AttachRequest, ContainerSession, ExecRequest, SessionSink } from "../api/node-gateway.ts";
import type { ContainerProcess } from "./container-process.ts";
import type { ContainerRecord } from "./container-record.ts";
import { killEntered } from "./process-tree.ts";

type Exit = Parameters<SessionSink["ended"]>[0];

const MAX_HELD = 64; // chunks kept until the sink is there
const MAX_STDIN_BYTES = 256 * 1024; // written and not yet taken by the process

/** Hands chunks to the sink, keeping the first ones until there is one. */
class Outlet {
  #sink: SessionSink | undefined;
  #held: ((sink: SessionSink) => void)[] = [];
  #isEnded = false;

  get sink(): SessionSink | undefined {
    return this.#sink;
  }

  start(sink: SessionSink): void {
    this.#sink = sink;
    for (const tell of this.#held.splice(0)) tell(sink);
  }

  tell(what: (sink: SessionSink) => void): void {
    if (this.#isEnded) return;
    if (this.#sink) what(this.#sink);
    else if (this.#held.length < MAX_HELD) this.#held.push(what);
  }

  end(exit: Exit): void {
    this.tell((sink) => sink.ended(exit));
    this.#isEnded = true;
  }
}

/** Starts a command in the container, as its user, with its environment. */
export function execSession(
  process: ContainerProcess,
  request: ExecRequest,
  nodeEnv: Readonly<Record<string, string>>,
): ContainerSession {
  const argv = process.enterArguments(request.command);
  argv[0] = Bun.which(argv[0]!, { PATH: nodeEnv["PATH"] ?? "" }) ?? argv[0]!;
  const env = Object.fromEntries(process.plan.env);
  return request.tty ? ttySession(argv, { ...env, TERM: env["TERM"] ?? "xterm" }) : pipeSession(argv, env, request);
}

function pipeSession(argv: string[], env: Record<string, string>, request: ExecRequest): ContainerSession {
  const outlet = new Outlet();
  const child = Bun.spawn(argv, {
    env,
    stdin: request.stdin ? "pipe" : "ignore",
    stdout: request.stdout ? "pipe" : "ignore",
    stderr: request.stderr ? "pipe" : "ignore",
    detached: true,
  });
  const copies = [
    copy(child.stdout, (chunk) => outlet.tell((sink) => sink.stdout(chunk))),
    copy(child.stderr, (chunk) => outlet.tell((sink) => sink.stderr(chunk))),
  ];
  void child.exited.then(async () => {
    await Promise.all(copies);
    outlet.end({ exitCode: exitCodeOf(child) });
  });
  const stdin = stdinOf(child.stdin, () => outlet.tell((sink) => sink.drained()));
  return {
    start: (sink) => outlet.start(sink),
    writeStdin: stdin.write,
    closeStdin: stdin.close,
    resize() {},
    close: () => killEntered(child.pid),
  };
}

function ttySession(argv: string[], env: Record<string, string>): ContainerSession {
  const outlet = new Outlet();
  const terminal = new Bun.Terminal({
    cols: 80,
    rows: 24,
    data: (_terminal, chunk) => outlet.tell((sink) => sink.stdout(new Uint8Array(chunk))),
  });
  const child = Bun.spawn(argv, { env, terminal });
  void child.exited.then(() => {
    // What the terminal still holds comes before the end.
    setTimeout(() => {
      terminal.close();
      outlet.end({ exitCode: exitCodeOf(child) });
    }, TERMINAL_FLUSH_MS);
  });
  return {
    start: (sink) => outlet.start(sink),
    writeStdin(chunk) {
      if (!terminal.closed) terminal.write(chunk);
      return true;
    },
    closeStdin() {
      if (!terminal.closed) terminal.write("\x04"); // what a person's Ctrl-D sends
    },
    resize(columns, rows) {
      if (!terminal.closed) terminal.resize(columns, rows);
    },
    close: () => killEntered(child.pid),
  };
}

const TERMINAL_FLUSH_MS = 20;

/** Joins a running container's own streams; its end ends the session. */
export function attachSession(record: ContainerRecord, request: AttachRequest): ContainerSession {
  const outlet = new Outlet();
  const { process } = record;
  const written = record.log.read(0).lines; // before anybody was there (a quick `kubectl run -i`)
  const untap = record.log.tap((stream, chunk) => {
    const copy = chunk.slice();
    if (stream === "stdout" && request.stdout) outlet.tell((sink) => sink.stdout(copy));
    if (stream === "stderr" && request.stderr) outlet.tell((sink) => sink.stderr(copy));
  });
  void process?.exited.then((exit) => {
    untap();
    outlet.end({ exitCode: exit.code });
  });
  const stdin = stdinOf(request.stdin ? process?.stdin : undefined, () => outlet.tell((sink) => sink.drained()));
  return {
    start(sink) {
      for (const line of written)
        if (line.stream === "stdout" ? request.stdout : request.stderr)
          sink[line.stream](new Uint8Array(Buffer.concat([line.text, Buffer.from(line.isPartial ? "" : "\n")])));
      outlet.start(sink);
    },
    writeStdin: stdin.write,
    closeStdin: record.spec.stdinOnce ? stdin.close : () => {},
    resize() {},
    close: untap,
  };
}

function stdinOf(
  sink: Bun.FileSink | undefined,
  drained: () => void,
): { write(chunk: Uint8Array): boolean; close(): void } {
  let pendingBytes = 0;
  return {
    write(chunk) {
      if (!sink) return true;
      sink.write(chunk);
      pendingBytes += chunk.length;
      const wasFull = pendingBytes > MAX_STDIN_BYTES;
      void Promise.resolve(sink.flush()).then(
        () => {
          pendingBytes -= chunk.length;
          if (wasFull) drained();
        },
        () => {}, // the command closed its input: its exit tells the rest
      );
      return !wasFull;
    },
    close: () => void sink?.end(),
  };
}

async function copy(stream: ReadableStream<Uint8Array> | undefined, sink: (chunk: Uint8Array) => void): Promise<void> {
  if (stream) for await (const chunk of stream) sink(chunk);
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

function exitCodeOf(child: Pick<Subprocess, "exitCode" | "signalCode">): number {
  return child.exitCode ?? 128 + (SIGNAL_NUMBERS[child.signalCode ?? ""] ?? 9);
}
