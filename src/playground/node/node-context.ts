import type { Clock } from "#lib/clock";
import type { Log } from "#lib/log";
import type { ApiClient } from "../api/in-process.ts";
import type { AddressPool } from "./addresses.ts";
import type { Commands } from "./commands.ts";
import type { DataReader } from "./environment.ts";
import type { EventRecorder } from "./events.ts";
import type { ImageTable } from "./image.ts";
import type { TokenIssuer } from "./pod-volumes.ts";

/** What every part of the node agent is given. */
export interface NodeContext {
  readonly nodeName: string;
  /** A folder in the node's private memory. */
  readonly home: string;
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: EventRecorder;
  readonly commands: Commands;
  /** Environment of machine commands (PATH, library path); never a container's. */
  readonly env: Readonly<Record<string, string>>;
  readonly images: ImageTable;
  readonly addresses: AddressPool;
  readonly read: DataReader;
  readonly issueToken: TokenIssuer;
  /** Root of the machine, else root of a user namespace. */
  readonly isRoot: boolean;
  readonly usrLayers: readonly string[];
  /** Files every container gets, by path; scripts (`#!`) may be run. */
  readonly containerTexts: Readonly<Record<string, string>>;
}
