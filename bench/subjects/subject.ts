import type { Certificates } from "../lab/certificates.ts";

export type Protocol = "http1" | "http2" | "opaque";

export interface LabPaths {
  /** Scratch folder of this run. */
  readonly dir: string;
  readonly certificates: Certificates;
  /** Where the application listens on the server host. */
  readonly applicationPort: number;
}

/** Two hops in front of the application, started for one protocol. */
export interface RunningSubject {
  /** Where clients on the client host send requests. */
  readonly target: { readonly host: string; readonly port: number };
  /** The processes whose CPU and memory count, one entry per hop. */
  hops(): number[][];
  /** Requests that the proxies themselves counted, when they count; undefined for peers that do not. */
  counted?(): Promise<{ outbound: number; inbound: number }>;
  stop(): Promise<void>;
}

export interface Subject {
  readonly name: "linkerd-ts" | "nginx" | "haproxy" | "nghttpx" | "direct";
  readonly protocols: readonly Protocol[];
  start(protocol: Protocol, paths: LabPaths): Promise<RunningSubject>;
}

export const OUTBOUND_PORT = 15_001;
export const INBOUND_PORT = 15_002;
