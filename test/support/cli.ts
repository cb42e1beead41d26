import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ExtensionEntry, type Io, run } from "#cli";
import { systemClock } from "#lib/clock";
import type { KubeApi } from "./kube-api.ts";

export interface CliRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs command lines in this process against a test's API server, with a directory of its own. */
export class CliBench {
  readonly directory = mkdtempSync(join(tmpdir(), "linkerd-cli-"));
  readonly #api: KubeApi | undefined;
  readonly #extensions: readonly ExtensionEntry[];

  constructor(api?: KubeApi, extensions: readonly ExtensionEntry[] = []) {
    this.#api = api;
    this.#extensions = extensions;
    if (api) this.write("kubeconfig", kubeconfig(api));
  }

  /** Writes a file; returns its path. */
  write(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }

  /** `heard` is told of each text for the person as it comes, for tests that act in the middle of a run. */
  async run(
    args: readonly string[],
    stdin = "",
    env: Record<string, string> = {},
    heard: (text: string) => void = () => {},
  ): Promise<CliRun> {
    let out = "";
    let err = "";
    const known: Record<string, string> = { KUBECONFIG: join(this.directory, "kubeconfig"), ...env };
    const io: Io = {
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
        heard(text);
      },
      readStdin: async () => stdin,
      env: (name) => known[name],
      isTerminal: false,
      clock: systemClock,
    };
    const code = await run(args, io, this.#extensions);
    return { code, out, err };
  }

  async close(): Promise<void> {
    rmSync(this.directory, { recursive: true, force: true });
    await this.#api?.stop();
  }
}

/** A kubeconfig, as text, with which programs come to a test's API server. */
export function kubeconfig({ url, ca }: KubeApi): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    contexts: [{ name: "test", context: { cluster: "test", user: "test", namespace: "shop" } }],
    clusters: [
      {
        name: "test",
        cluster: {
          server: url,
          "certificate-authority-data": Buffer.from(ca).toString("base64"),
          "tls-server-name": "kubernetes.default.svc",
        },
      },
    ],
    users: [{ name: "test", user: { token: "test" } }],
  });
}
