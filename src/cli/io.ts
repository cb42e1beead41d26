import { type Clock, systemClock } from "#lib/clock";

/** The world as a command sees it; tests hand in their own. */
export interface Io {
  /** Data: what a pipe should get. */
  out(text: string): void;
  /** Words for the person. */
  err(text: string): void;
  readStdin(): Promise<string>;
  env(name: string): string | undefined;
  /** Colour and progress only when a person looks. */
  readonly isTerminal: boolean;
  readonly clock: Clock;
}

/** The process's own streams and environment. */
export function processIo(): Io {
  const plain = process.env["NO_COLOR"] !== undefined || process.env["TERM"] === "dumb";
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (failure: NodeJS.ErrnoException) => {
      if (failure.code === "EPIPE") process.exit(BROKEN_PIPE_STATUS);
    });
  }
  return {
    out: (text) => write(process.stdout, text),
    err: (text) => write(process.stderr, text),
    readStdin: () => Bun.stdin.text(),
    env: (name) => process.env[name],
    isTerminal: process.stdout.isTTY === true && !plain,
    clock: systemClock,
  };
}

const BROKEN_PIPE_STATUS = 141; // 128 + SIGPIPE, as other tools end when `head` has seen enough

function write(stream: NodeJS.WriteStream, text: string): void {
  try {
    stream.write(text);
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code === "EPIPE") process.exit(BROKEN_PIPE_STATUS);
    throw failure;
  }
}

/** Waits on the clock of `io`, which keeps the process alive meanwhile. */
export function wait(io: Io, afterMs: number): Promise<void> {
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, 1_000); // the clock's own timers do not hold the process
    io.clock.schedule(afterMs, () => {
      clearInterval(alive);
      resolve();
    });
  });
}
