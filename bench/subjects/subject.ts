import type { Certificates } from "../lab/certificates.ts";

export type Protocol = "http1" | "http2" | "opaque";

export interface LabPaths {
  /** Scratch folder of this run. */
  readonly dir: string;
  readonly certificates: Certificates;
  /** Where the application listens on the server host. */
  readonly applicationPort: number;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** How a meshed client reaches the inbound hop by itself. */
export interface InboundHop extends Address {
  readonly serverName: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  /** Command that the client's programs run under; the mesh's must not be redirected to the client's own proxy. */
  readonly as: readonly string[];
}

/** Two hops in front of the application, started for one protocol. */
export interface RunningSubject {
  /** Where clients on the client host send requests. */
  readonly target: Address;
  /** The processes whose CPU and memory count, one entry per hop. */
  hops(): number[][];
  /** Not there when nothing terminates mTLS with HTTP/1.1 behind it. */
  readonly inbound?: InboundHop;
  /** Makes so many more services known to the control plane; only ours has one. */
  addServices?(count: number): Address[];
  /** Requests that the proxies themselves counted, when they count; undefined for peers that do not. */
  counted?(): Promise<{ outbound: number; inbound: number }>;
  stop(): Promise<void>;
}

export type SubjectName = "linkerd-ts" | "nginx" | "haproxy" | "nghttpx" | "direct";

export interface Subject {
  readonly name: SubjectName;
  start(protocol: Protocol, paths: LabPaths): Promise<RunningSubject>;
}

export const OUTBOUND_PORT = 15_001;
export const INBOUND_PORT = 15_002;
