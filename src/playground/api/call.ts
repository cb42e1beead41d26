import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "#lib/clock";
import type { Log } from "#lib/log";
import type { ResourceType } from "../store/resources.ts";
import { StatusError } from "../store/status.ts";
import type { Store } from "../store/store.ts";
import type { Aggregation } from "./aggregation.ts";
import type { Authorizer } from "./authorize.ts";
import type { NodeGateway } from "./node-gateway.ts";
import type { Objects } from "./objects.ts";
import type { RequestInfo } from "./request-info.ts";
import type { TokenIssuer } from "./tokens.ts";
import type { Types } from "./types.ts";
import type { User } from "./users.ts";
import type { WriteContext } from "./write-context.ts";

/** The parts of the API server that handlers use. */
export interface Parts {
  readonly store: Store;
  readonly types: Types;
  readonly objects: Objects;
  readonly authorizer: Authorizer;
  readonly tokens: TokenIssuer;
  readonly aggregation: Aggregation;
  readonly clock: Clock;
  readonly log: Log;
  /** Undefined while no node agent runs. */
  readonly node: () => NodeGateway | undefined;
}

/** One authenticated request with its answer. */
export interface Call {
  readonly parts: Parts;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly user: User;
  /** Texts for `Warning` headers of the answer. */
  readonly warnings: string[];
}

/** A call that names a resource. */
export interface ResourceCall extends Call {
  readonly info: RequestInfo;
  readonly type: ResourceType;
}

/** What the query says of a write. */
export function writeContext(call: Call): WriteContext {
  const query = call.url.searchParams;
  const dryRun = query.getAll("dryRun").filter((value) => value !== "");
  if (dryRun.some((value) => value !== "All"))
    throw StatusError.badRequest(`Invalid value: ${JSON.stringify(dryRun)}: dryRun: supported values: "All"`);
  const validation = query.get("fieldValidation") || "Warn";
  if (validation !== "Strict" && validation !== "Warn" && validation !== "Ignore")
    throw StatusError.badRequest(
      `fieldValidation: Unsupported value: ${JSON.stringify(validation)}: supported values: "Ignore", "Strict", "Warn"`,
    );
  return {
    user: call.user,
    fieldManager: query.get("fieldManager") || defaultManager(call.request.headers["user-agent"]),
    isDryRun: dryRun.length > 0,
    fieldValidation: validation,
    warn: (text) => void call.warnings.push(text),
  };
}

/** As Kubernetes does: the program's name, the part of the user agent before the first slash. */
function defaultManager(userAgent: string | undefined): string {
  return (userAgent ?? "").split("/")[0]!.trim().slice(0, 128) || "unknown";
}
