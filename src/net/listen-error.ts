/** What stands in the way, by the kernel's code. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program has that port",
  EADDRNOTAVAIL: "this machine has no such address",
  EACCES: "ports below 1024 need a privileged user",
};

export interface FailedListen {
  readonly host: string;
  readonly port: number;
  /** What would have been served there: "gRPC", "admin". */
  readonly purpose?: string;
  /** What the person can do; by default what is true of every program. */
  readonly advice?: string;
}

/** Says which address could not be listened on, why, and what to do. `cause` is what the runtime threw or emitted. */
export function listenError({ host, port, purpose, advice }: FailedListen, cause: Error): Error {
  const { code } = cause as NodeJS.ErrnoException;
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const reason = REASONS[code ?? ""] ?? cause.message;
  const what = purpose === undefined ? "" : ` for ${purpose}`;
  return new Error(
    `Cannot listen on ${address}${what}: ${reason} (${code ?? "no code"}); ${advice ?? "end what is there, or give this program another address"}`,
    { cause },
  );
}
