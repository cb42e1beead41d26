import { expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ApiServer, startApiServer } from "../../src/playground/api/server.ts";
import { ensureKubectl } from "../../tools/kubectl.mjs";

export interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** An API server of its own with the real kubectl pointed at it. */
export interface KubectlServer {
  readonly server: ApiServer;
  /** Runs kubectl; `input` goes to its standard input (use `-f -`). */
  kubectl(args: string, input?: string): Promise<Result>;
  /** The same with arguments that hold spaces. */
  run(args: readonly string[], input?: string): Promise<Result>;
  /** Starts kubectl and leaves it running; the caller kills it. */
  spawn(args: readonly string[]): ChildProcess;
  close(): Promise<void>;
}

export async function startKubectlServer(): Promise<KubectlServer> {
  const { kubectl } = ensureKubectl() as { kubectl: string };
  const server = await startApiServer({ listen: [{ host: "127.0.0.1", port: 0 }] });
  const home = mkdtempSync(join(tmpdir(), "kubectl-"));
  writeFileSync(join(home, "config"), server.kubeconfig(), { mode: 0o600 });
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, KUBECONFIG: join(home, "config"), KUBE_EDITOR: "true" };
  const run = (args: readonly string[], input = ""): Promise<Result> =>
    new Promise((resolve, reject) => {
      const child = spawn(kubectl, [...args], { env });
      const text = { out: "", err: "" };
      child.stdout.on("data", (chunk: Buffer) => (text.out += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (text.err += chunk.toString()));
      child.on("error", reject);
      child.on("close", (code) => resolve({ code: code ?? -1, ...text }));
      child.stdin.on("error", () => {}); // kubectl may not read its input
      child.stdin.end(input);
    });
  return {
    server,
    run,
    spawn: (args) => spawn(kubectl, [...args], { env }),
    kubectl: (args, input) => run(args.split(" "), input),
    async close() {
      await server.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** kubectl on a server that is there by the time of a call, with what every test of it expects. */
export function expecting(server: () => KubectlServer) {
  return {
    /** Runs kubectl and expects success; what it printed. */
    async ok(args: string, input?: string): Promise<string> {
      const result = await server().kubectl(args, input);
      expect(`${args}: ${result.code} ${result.err}`).toBe(`${args}: 0 ${result.err}`);
      return result.out;
    },
    /** Runs kubectl and expects failure; what it said. */
    async fails(args: string, input?: string): Promise<string> {
      const result = await server().kubectl(args, input);
      expect(`${args}: ${result.code}`).toBe(`${args}: 1`);
      return result.err;
    },
  };
}
