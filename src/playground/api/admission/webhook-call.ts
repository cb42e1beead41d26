import { randomUUID } from "node:crypto";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import type { Clock } from "#lib/clock";
import type { Random } from "#lib/random";
import { isObject, type KubeObject } from "../../store/object.ts";
import { apiVersionOf, type ResourceType } from "../../store/resources.ts";
import type { Store } from "../../store/store.ts";
import { userInfo } from "../reviews.ts";
import { endpointOf } from "../service-endpoint.ts";
import type { AdmissionRequest } from "./admission.ts";
import type { Webhook } from "./webhook-match.ts";

export interface Verdict {
  readonly isAllowed: boolean;
  readonly message: string;
  readonly reason: string | undefined;
  readonly code: number | undefined;
  /** JSON Patch operations. */
  readonly patch: unknown[] | undefined;
  readonly warnings: readonly string[];
}

/** A larger answer counts as a failed call. */
const MAX_ANSWER_BYTES = 3 * 1024 * 1024;

/** Asks one webhook over TLS, trusting only its caBundle. Throws when there is no proper answer in time. */
export async function callWebhook(
  webhook: Webhook,
  request: AdmissionRequest,
  type: ResourceType,
  surroundings: { readonly store: Store; readonly clock: Clock; readonly random: Random },
): Promise<Verdict> {
  const uid = randomUUID();
  const target = targetOf(webhook, surroundings.store, surroundings.random);
  const seconds = webhook.timeoutSeconds ?? 10;
  const abort = new AbortController();
  const timer = surroundings.clock.schedule(seconds * 1_000, () => abort.abort(new Error("context deadline exceeded")));
  try {
    const response = await fetch(target.url, {
      method: "POST",
      headers: { "content-type": "application/json", host: target.host },
      body: JSON.stringify(reviewOf(request, type, uid)),
      signal: abort.signal,
      redirect: "manual",
      tls: {
        ...(webhook.clientConfig.caBundle
          ? { ca: Buffer.from(webhook.clientConfig.caBundle, "base64").toString() }
          : {}),
        serverName: target.serverName,
        rejectUnauthorized: true,
        checkServerIdentity: (_host: string, certificate: PeerCertificate) =>
          checkServerIdentity(target.serverName, certificate),
      },
    } as RequestInit);
    if (response.status !== 200)
      throw new Error(`an error on the server has prevented the request from succeeding (HTTP ${response.status})`);
    return readVerdict(await response.text(), uid);
  } catch (thrown) {
    const why = abort.signal.aborted
      ? "context deadline exceeded"
      : thrown instanceof Error
        ? thrown.message
        : String(thrown);
    throw new Error(`failed to call webhook: Post "${target.shown}?timeout=${seconds}s": ${why}`, { cause: thrown });
  } finally {
    timer.cancel();
  }
}

interface Target {
  readonly url: string;
  /** As people know it. */
  readonly shown: string;
  readonly host: string;
  readonly serverName: string;
}

function targetOf(webhook: Webhook, store: Store, random: Random): Target {
  const { url, service } = webhook.clientConfig;
  if (url) {
    const { hostname, host } = new URL(url);
    return { url, shown: url, host, serverName: hostname };
  }
  if (!service) throw new Error("webhook has neither clientConfig.url nor clientConfig.service");
  const { namespace, name, path = "/", port = 443 } = service;
  const serverName = `${name}.${namespace}.svc`;
  const endpoint = endpointOf(store, { namespace, name, port }, random.next());
  if ("failure" in endpoint) throw new Error(endpoint.failure);
  return {
    url: `https://${endpoint.host}:${endpoint.port}${path}`,
    shown: `https://${serverName}:${port}${path}`,
    host: `${serverName}:${port}`,
    serverName,
  };
}

function reviewOf(request: AdmissionRequest, sent: ResourceType, uid: string): Record<string, unknown> {
  const { type } = request;
  const kind = (of: ResourceType) => ({ group: of.group, version: of.version, kind: of.kind });
  const resource = (of: ResourceType) => ({ group: of.group, version: of.version, resource: of.resource });
  const sub = request.subresource ? { subResource: request.subresource, requestSubResource: request.subresource } : {};
  return {
    kind: "AdmissionReview",
    apiVersion: "admission.k8s.io/v1",
    request: {
      uid,
      kind: kind(sent),
      resource: resource(sent),
      requestKind: kind(type),
      requestResource: resource(type),
      ...sub,
      name: request.name,
      ...(request.namespace === undefined ? {} : { namespace: request.namespace }),
      operation: request.operation,
      userInfo: userInfo(request.user),
      object: inVersion(request.object, sent),
      oldObject: inVersion(request.oldObject, sent),
      dryRun: request.isDryRun,
      options: { kind: `${OPTIONS[request.operation]}Options`, apiVersion: "meta.k8s.io/v1" },
    },
  };
}

const OPTIONS = { CREATE: "Create", UPDATE: "Update", DELETE: "Delete", CONNECT: "Create" } as const;

function inVersion(object: KubeObject | undefined, type: ResourceType): KubeObject | null {
  return object ? { ...object, apiVersion: apiVersionOf(type), kind: type.kind } : null;
}

function readVerdict(text: string, uid: string): Verdict {
  if (text.length > MAX_ANSWER_BYTES) throw new Error(`the answer is larger than ${MAX_ANSWER_BYTES} bytes`);
  let review: unknown;
  try {
    review = JSON.parse(text);
  } catch {
    throw new Error("the answer is not JSON");
  }
  const response = isObject(review) ? review["response"] : undefined;
  if (!isObject(response)) throw new Error("the answer holds no AdmissionReview response");
  if (response["uid"] !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response["uid"])}`);
  const status = isObject(response["status"]) ? response["status"] : {};
  return {
    isAllowed: response["allowed"] === true,
    message: String(status["message"] ?? status["reason"] ?? ""),
    reason: typeof status["reason"] === "string" ? status["reason"] : undefined,
    code: typeof status["code"] === "number" ? status["code"] : undefined,
    patch: patchOf(response),
    warnings: Array.isArray(response["warnings"]) ? response["warnings"].map(String) : [],
  };
}

function patchOf(response: Record<string, unknown>): unknown[] | undefined {
  const { patch, patchType } = response;
  if (typeof patch !== "string" || patch === "") return undefined;
  if (patchType !== "JSONPatch")
    throw new Error(`the answer's patchType is ${JSON.stringify(patchType)}, wanted "JSONPatch"`);
  const operations: unknown = JSON.parse(Buffer.from(patch, "base64").toString());
  if (!Array.isArray(operations)) throw new Error("the answer's patch is not a list of operations");
  return operations;
}
