import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Clock, Timer } from "#lib/clock";
import type { Log } from "#lib/log";
import type { Random } from "#lib/random";
import { isObject, type KubeObject } from "../store/object.ts";
import { StatusError } from "../store/status.ts";
import type { Store } from "../store/store.ts";
import { readBody } from "./body.ts";
import type { KeyPair } from "./certificate.ts";
import { endpointOf } from "./service-endpoint.ts";
import type { User } from "./users.ts";

const KEY = "apiservices.apiregistration.k8s.io";
/** How often an extension is asked whether it answers: quickly until it does, then now and then. */
const PROBE_WAITING_MS = 500;
const PROBE_STEADY_MS = 15_000;
const PROBE_TIMEOUT_MS = 5_000;
const MAX_DISCOVERY_BYTES = 1024 * 1024;

interface ServiceSpec {
  group?: string;
  version?: string;
  caBundle?: string;
  insecureSkipTLSVerify?: boolean;
  service?: { namespace: string; name: string; port?: number };
}

/** An extension's resource as `/apis/g/v` lists it. */
export interface ExtensionResource {
  readonly name: string;
  readonly namespaced?: boolean;
  readonly kind?: string;
  readonly verbs?: readonly string[];
}

/** What passing on needs of a call. */
export interface PassedCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly user: User;
}

export interface AggregationParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The certificate by which extensions know that the request comes from the API server. */
  readonly frontProxy: KeyPair;
  /** Writes an APIService's Available condition. */
  readonly setStatus: (service: KubeObject, status: object) => Promise<void>;
}

/** APIServices that are served by somebody else: asks whether they are there, lists them in discovery, passes requests on. */
export class Aggregation {
  readonly #parts: AggregationParts;
  readonly #timers = new Map<string, Timer>();
  readonly #found = new Map<string, readonly ExtensionResource[]>();
  readonly #stop: () => void;

  constructor(parts: AggregationParts) {
    this.#parts = parts;
    this.#stop = parts.store.watch(KEY, undefined, (event) => this.#follow(event.type, event.object, event.previous));
  }

  close(): void {
    this.#stop();
    for (const timer of this.#timers.values()) timer.cancel();
  }

  /** The APIService behind a group and version, when it is not our own. */
  serviceOf(group: string, version: string): KubeObject | undefined {
    const found = this.#parts.store.get(KEY, undefined, `${version}.${group}`);
    return found && specOf(found).service ? found : undefined;
  }

  /** Groups and versions that are served elsewhere, with their resources as far as they have answered. */
  extensions(): { group: string; version: string; resources: readonly ExtensionResource[] }[] {
    return this.#parts.store.list(KEY).flatMap((service) => {
      const { group = "", version = "", service: target } = specOf(service);
      return target ? [{ group, version, resources: this.#found.get(service.metadata.name) ?? [] }] : [];
    });
  }

  /** Passes a request to its extension and the answer back, as it comes. */
  async pass(call: PassedCall, service: KubeObject): Promise<void> {
    const body = await readBody(call.request);
    const { response, request, url } = call;
    await new Promise<void>((resolve, reject) => {
      const forwarded = this.#open(
        service,
        request.method ?? "GET",
        url.pathname + url.search,
        passedHeaders(request.headers, call.user),
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answerHeaders(answer));
          response.flushHeaders();
          answer.on("data", (chunk: Buffer) => {
            if (response.write(chunk)) return;
            answer.pause();
            response.once("drain", () => answer.resume());
          });
          answer.on("end", () => response.end());
          answer.on("close", resolve);
          answer.on("error", () => response.destroy());
        },
      );
      forwarded.on("error", (cause) => reject(unavailable(service, cause.message)));
      response.on("close", () => {
        forwarded.destroy();
        resolve();
      });
      forwarded.end(body);
    });
  }

  #open(
    service: KubeObject,
    method: string,
    path: string,
    headers: Record<string, string | string[]>,
    onAnswer: (answer: IncomingMessage) => void,
  ): ClientRequest {
    const { service: target, caBundle, insecureSkipTLSVerify } = specOf(service);
    const { namespace, name, port = 443 } = target!;
    const endpoint = endpointOf(this.#parts.store, { namespace, name, port }, this.#parts.random.next());
    if ("failure" in endpoint) throw unavailable(service, endpoint.failure);
    const servername = `${name}.${namespace}.svc`;
    return httpsRequest(
      {
        host: endpoint.host,
        port: endpoint.port,
        method,
        path,
        headers: { ...headers, host: servername },
        servername,
        cert: this.#parts.frontProxy.certPem,
        key: this.#parts.frontProxy.keyPem,
        rejectUnauthorized: !insecureSkipTLSVerify,
        agent: false,
        ...(caBundle ? { ca: Buffer.from(caBundle, "base64").toString() } : {}),
      },
      onAnswer,
    );
  }

  #follow(type: string, service: KubeObject, previous: KubeObject | undefined): void {
    const name = service.metadata.name;
    if (type === "DELETED") {
      this.#timers.get(name)?.cancel();
      this.#timers.delete(name);
      this.#found.delete(name);
      return;
    }
    if (specOf(service).service && previous?.["spec"] !== service["spec"]) this.#later(name, 0);
  }

  #later(name: string, afterMs: number): void {
    this.#timers.get(name)?.cancel();
    this.#timers.set(
      name,
      this.#parts.clock.schedule(afterMs, () => void this.#probe(name)),
    );
  }

  async #probe(name: string): Promise<void> {
    const service = this.#parts.store.get(KEY, undefined, name);
    if (!service || !specOf(service).service) return;
    let failure: string | undefined;
    try {
      this.#found.set(name, await this.#discover(service));
    } catch (thrown) {
      failure = thrown instanceof Error ? thrown.message : String(thrown);
    }
    await this.#report(service, failure);
    if (this.#timers.has(name)) this.#later(name, failure ? PROBE_WAITING_MS : PROBE_STEADY_MS);
  }

  #discover(service: KubeObject): Promise<readonly ExtensionResource[]> {
    const { group, version } = specOf(service);
    return new Promise((resolve, reject) => {
      const headers = remoteHeaders({ name: "system:aggregator", groups: ["system:masters"] });
      const asked = this.#open(
        service,
        "GET",
        `/apis/${group}/${version}`,
        { ...headers, accept: "application/json" },
        (answer) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          answer.on("data", (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes > MAX_DISCOVERY_BYTES)
              asked.destroy(new Error(`its resource list is larger than ${MAX_DISCOVERY_BYTES} bytes`));
            else chunks.push(chunk);
          });
          answer.on("end", () => {
            try {
              resolve(readResources(answer.statusCode, Buffer.concat(chunks).toString()));
            } catch (cause) {
              reject(cause);
            }
          });
        },
      );
      const timer = this.#parts.clock.schedule(PROBE_TIMEOUT_MS, () =>
        asked.destroy(new Error("context deadline exceeded")),
      );
      asked.on("error", reject);
      asked.on("close", () => timer.cancel());
      asked.end();
    });
  }

  async #report(service: KubeObject, failure: string | undefined): Promise<void> {
    const status = failure ? "False" : "True";
    const old = conditionOf(service);
    const message = failure ?? "all checks passed";
    if (old?.["status"] === status && old["message"] === message) return;
    const condition = {
      type: "Available",
      status,
      reason: failure ? "FailedDiscoveryCheck" : "Passed",
      message,
      lastTransitionTime: `${new Date(this.#parts.clock.wallMs()).toISOString().slice(0, 19)}Z`,
    };
    try {
      await this.#parts.setStatus(service, { conditions: [condition] });
    } catch (thrown) {
      this.#parts.log.debug("Cannot write an APIService's status", { cause: String(thrown) }); // it changed or went; the next probe writes again
    }
  }
}

function readResources(code: number | undefined, text: string): readonly ExtensionResource[] {
  if (code !== 200) throw new Error(`failing or missing response: bad status ${code}`);
  const list: unknown = JSON.parse(text);
  return isObject(list) && Array.isArray(list["resources"]) ? (list["resources"] as ExtensionResource[]) : [];
}

function conditionOf(service: KubeObject): Record<string, unknown> | undefined {
  const status = service["status"];
  const conditions = isObject(status) && Array.isArray(status["conditions"]) ? status["conditions"] : [];
  return conditions.filter(isObject).find((condition) => condition["type"] === "Available");
}

function specOf(service: KubeObject): ServiceSpec {
  return (service["spec"] ?? {}) as ServiceSpec;
}

/** What the client sent, without its credentials and without anything only the front proxy may say. */
function passedHeaders(headers: IncomingMessage["headers"], user: User): Record<string, string | string[]> {
  const passed: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (
      value === undefined ||
      HOP.has(name) ||
      name === "authorization" ||
      name.startsWith("x-remote-") ||
      name.startsWith("impersonate-")
    )
      continue;
    passed[name] = value;
  }
  return { ...passed, ...remoteHeaders(user) };
}

function remoteHeaders(user: User): Record<string, string | string[]> {
  const extra = Object.entries(user.extra ?? {}).map(([name, values]) => [
    `x-remote-extra-${encodeURIComponent(name)}`,
    [...values],
  ]);
  return { "x-remote-user": user.name, "x-remote-group": [...user.groups], ...Object.fromEntries(extra) };
}

const HOP = new Set([
  "connection",
  "host",
  "content-length",
  "transfer-encoding",
  "keep-alive",
  "upgrade",
  "te",
  "trailer",
  "proxy-connection",
]);

function answerHeaders(answer: IncomingMessage): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(answer.headers).filter(
      (entry): entry is [string, string | string[]] =>
        entry[1] !== undefined && (!HOP.has(entry[0]) || entry[0] === "content-length"),
    ),
  );
}

function unavailable(service: KubeObject, why: string): StatusError {
  return new StatusError(
    "ServiceUnavailable",
    `error trying to reach service behind APIService "${service.metadata.name}": ${why}`,
  );
}
