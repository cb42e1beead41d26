import { StatusError } from "../store/status.ts";
import { decodeBody, readBody } from "./body.ts";
import type { Call, ResourceCall } from "./call.ts";
import { discover } from "./discovery.ts";
import { openApi, openApiV2 } from "./openapi.ts";
import { parseResourcePath, type RequestInfo, typeOfPath, unknownResource, verbOf } from "./request-info.ts";
import { sendJson, sendObject, sendText } from "./respond.ts";
import { review } from "./reviews.ts";
import { logs } from "./subresources/log.ts";
import { bind, createToken, evict } from "./subresources/pod-actions.ts";
import { scale } from "./subresources/scale.ts";
import { create } from "./verbs/create.ts";
import { remove } from "./verbs/delete.ts";
import { removeCollection } from "./verbs/delete-collection.ts";
import { get } from "./verbs/get.ts";
import { list } from "./verbs/list.ts";
import { patch } from "./verbs/patch.ts";
import { update } from "./verbs/update.ts";
import { watch } from "./verbs/watch.ts";

/** The minor version tells kubectl whether it is too old or too new; it stands in the middle of 1.31–1.35. */
export const VERSION = {
  major: "1",
  minor: "34",
  gitVersion: "v1.34.0-playground",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "2026-01-01T00:00:00Z",
  goVersion: "",
  compiler: "",
  platform: "linux/amd64",
};

/** Takes an authenticated request to its handler: authorization, then the verb. */
export async function route(call: Call): Promise<void> {
  const info = parseResourcePath(call.url.pathname);
  if (!info) return routePath(call);
  authorizeResource(call, info);
  const extension = call.parts.aggregation.serviceOf(info.group, info.version);
  if (extension) return call.parts.aggregation.pass(call, extension);
  const resourceCall: ResourceCall = { ...call, info, type: typeOfPath(info, call.parts.types) };
  await (info.subresource ? routeSubresource(resourceCall) : routeVerb(resourceCall));
}

function routePath(call: Call): void | Promise<void> {
  const { pathname } = call.url;
  const { user, request, parts } = call;
  const isOpen = ["/healthz", "/livez", "/readyz", "/version"].some(
    (path) => pathname === path || pathname.startsWith(`${path}/`),
  );
  if (!isOpen) parts.authorizer.require(user, { verb: (request.method ?? "GET").toLowerCase(), path: pathname });
  if (pathname === "/version") return sendJson(call, 200, VERSION);
  if (isOpen) return sendText(call.response, 200, "ok", "text/plain; charset=utf-8");
  if (pathname.startsWith("/openapi/v3")) return openApi(call);
  if (pathname === "/openapi/v2") return openApiV2(call);
  if (pathname === "/openid/v1/jwks") return sendJson(call, 200, parts.tokens.jwks(), "application/jwk-set+json");
  const [, , group = "", version = ""] = pathname.split("/");
  const extension = pathname.startsWith("/apis/") ? parts.aggregation.serviceOf(group, version) : undefined;
  if (extension) return parts.aggregation.pass(call, extension);
  if (/^\/apis?(\/|$)/.test(pathname)) return discover(call);
  throw unknownResource();
}

/** Checks RBAC for a resource request, before it is known whether the resource exists. */
function authorizeResource(call: Call, info: RequestInfo): void {
  const isWatch = isTrue(call.url.searchParams.get("watch"));
  const method = call.request.method ?? "GET";
  const isStream = STREAMS.has(info.subresource);
  call.parts.authorizer.require(call.user, {
    verb: info.isWatchPath ? "watch" : isStream ? "create" : verbOf(method, info, isWatch),
    group: info.group,
    resource: info.resource,
    subresource: info.subresource,
    name: info.name,
    ...(info.namespace === undefined ? {} : { namespace: info.namespace }),
  });
}

const STREAMS = new Set(["exec", "attach", "portforward"]);

async function routeVerb(call: ResourceCall): Promise<void> {
  const { info, request, type, url } = call;
  const method = request.method ?? "GET";
  if (type.verbs.length === 1) {
    if (method !== "POST" || info.name) throw notAllowed(method);
    return review(call, await bodyOf(call));
  }
  switch (method) {
    case "GET":
    case "HEAD":
      if (info.name && !isTrue(url.searchParams.get("watch"))) return get(call);
      if (info.name) return watchOne(call);
      return isTrue(url.searchParams.get("watch")) || info.isWatchPath ? watch(call) : list(call);
    case "POST":
      if (info.name) throw notAllowed(method);
      return create(call, await bodyOf(call));
    case "PUT":
      if (!info.name) throw notAllowed(method);
      return update(call, await bodyOf(call));
    case "PATCH":
      if (!info.name) throw notAllowed(method);
      return patch(call, await bodyOf(call));
    case "DELETE":
      return info.name ? remove(call, await bodyOf(call)) : removeCollection(call, await bodyOf(call));
    default:
      throw notAllowed(method);
  }
}

/** `GET …/{name}?watch=true`: the collection's watch, narrowed to the name. */
function watchOne(call: ResourceCall): void {
  call.url.searchParams.set("fieldSelector", `metadata.name=${call.info.name}`);
  watch(call);
}

async function routeSubresource(call: ResourceCall): Promise<void> {
  const { info, request, parts, type } = call;
  const method = request.method ?? "GET";
  switch (info.subresource) {
    case "status":
    case "finalize":
    case "ephemeralcontainers":
    case "resize":
      if (method === "GET") return sendObject(call, 200, parts.objects.read(type, info.namespace, info.name));
      if (method === "PUT") return update(call, await bodyOf(call));
      if (method === "PATCH") return patch(call, await bodyOf(call));
      throw notAllowed(method);
    case "scale":
      if (!["GET", "PUT", "PATCH"].includes(method)) throw notAllowed(method);
      return scale(call, method, await bodyOf(call));
    case "log":
      if (method !== "GET") throw notAllowed(method);
      return logs(call);
    case "token":
      if (method !== "POST") throw notAllowed(method);
      return createToken(call, await bodyOf(call));
    case "eviction":
      if (method !== "POST") throw notAllowed(method);
      return evict(call, await bodyOf(call));
    case "binding":
      if (method !== "POST") throw notAllowed(method);
      return bind(call, await bodyOf(call));
    case "exec":
    case "attach":
    case "portforward":
      throw StatusError.badRequest(
        `Upgrade request required: ${info.subresource} speaks websocket here, use kubectl 1.31 or newer`,
      );
    default:
      throw unknownResource();
  }
}

async function bodyOf(call: Call): Promise<unknown> {
  return decodeBody(await readBody(call.request), call.request.headers["content-type"]);
}

function notAllowed(method: string): StatusError {
  return new StatusError(
    "MethodNotAllowed",
    `the server does not allow the method ${method} on the requested resource`,
  );
}

function isTrue(text: string | null): boolean {
  return text === "true" || text === "1";
}
