import type { Clock } from "#lib/clock";
import type { Credentials } from "./cluster.ts";

/** `users[].user.exec` of a kubeconfig. */
export interface ExecConfig {
  apiVersion?: string;
  command: string;
  args?: string[];
  env?: { name: string; value: string }[];
  installHint?: string;
}

/** Runs a program and returns what it wrote to standard output; rejects when it fails. Programs start in `cli`, not here. */
export type RunPlugin = (command: string, args: readonly string[], env: Record<string, string>) => Promise<string>;

const RENEW_BEFORE_MS = 60_000;

/** A credential plugin (client.authentication.k8s.io): run once, kept until shortly before what it returned expires. */
export class ExecCredential {
  readonly #config: ExecConfig;
  readonly #run: RunPlugin | undefined;
  readonly #clock: Clock;
  #kept: { credentials: Credentials; expiresAtMs: number } | undefined;
  #running: Promise<Credentials> | undefined;

  constructor(config: ExecConfig, run: RunPlugin | undefined, clock: Clock) {
    this.#config = config;
    this.#run = run;
    this.#clock = clock;
  }

  async read(): Promise<Credentials> {
    if (this.#kept && this.#clock.wallMs() < this.#kept.expiresAtMs - RENEW_BEFORE_MS) return this.#kept.credentials;
    this.#running ??= this.#renew().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #renew(): Promise<Credentials> {
    const { command, args = [], env = [], apiVersion = "client.authentication.k8s.io/v1", installHint } = this.#config;
    if (!this.#run) throw new Error(`Cannot run credential plugin "${command}": this program starts no plugins`);
    const info = JSON.stringify({ apiVersion, kind: "ExecCredential", spec: { interactive: false } });
    const variables = Object.fromEntries(env.map(({ name, value }) => [name, value]));
    let output: string;
    try {
      output = await this.#run(command, args, { ...variables, KUBERNETES_EXEC_INFO: info });
    } catch (cause) {
      const hint = installHint ? `; ${installHint.trim()}` : "";
      throw new Error(`Cannot run credential plugin "${command}": ${(cause as Error).message}${hint}`, { cause });
    }
    this.#kept = parse(command, output);
    return this.#kept.credentials;
  }
}

interface ExecStatus {
  token?: string;
  clientCertificateData?: string;
  clientKeyData?: string;
  expirationTimestamp?: string;
}

function parse(command: string, output: string): { credentials: Credentials; expiresAtMs: number } {
  let status: ExecStatus | undefined;
  try {
    status = (JSON.parse(output) as { status?: ExecStatus }).status;
  } catch {
    status = undefined; // reported below; the output may hold a secret, so it is not quoted
  }
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = status ?? {};
  if (!token && !(cert && key)) {
    throw new Error(
      `Cannot use credential plugin "${command}": wanted an ExecCredential with a token or a certificate`,
    );
  }
  return {
    credentials: {
      authorization: token ? `Bearer ${token}` : undefined,
      certificate: cert && key ? { cert, key } : undefined,
    },
    expiresAtMs: expirationTimestamp ? Date.parse(expirationTimestamp) : Number.POSITIVE_INFINITY,
  };
}
