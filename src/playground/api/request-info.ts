import type { ResourceType } from "../store/resources.ts";
import { StatusError } from "../store/status.ts";
import type { Types } from "./types.ts";

/** A path under /api or /apis, taken apart. */
export interface RequestInfo {
  readonly group: string;
  readonly version: string;
  readonly namespace: string | undefined;
  readonly resource: string;
  /** Empty for collections. */
  readonly name: string;
  readonly subresource: string;
  /** What follows `proxy` and the like. */
  readonly rest: string;
  /** The path says `watch` itself, the spelling before `?watch=true`. */
  readonly isWatchPath: boolean;
}

/** Undefined for paths that name no resource (discovery, health, …). */
export function parseResourcePath(pathname: string): RequestInfo | undefined {
  const parts = pathname
    .split("/")
    .filter((part) => part !== "")
    .map(decode);
  const isCore = parts[0] === "api";
  if (!isCore && parts[0] !== "apis") return undefined;
  const group = isCore ? "" : (parts[1] ?? "");
  const version = parts[isCore ? 1 : 2];
  let tail = parts.slice(isCore ? 2 : 3);
  if (version === undefined || tail.length === 0) return undefined;
  const isWatchPath = tail[0] === "watch" && tail.length > 1;
  if (isWatchPath) tail = tail.slice(1);
  let namespace: string | undefined;
  if (tail[0] === "namespaces" && tail.length >= 3 && tail[2] !== "status" && tail[2] !== "finalize") {
    namespace = tail[1];
    tail = tail.slice(2);
  }
  const [resource = "", name = "", subresource = "", ...rest] = tail;
  return { group, version, namespace, resource, name, subresource, rest: rest.join("/"), isWatchPath };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw StatusError.badRequest(`Cannot read path segment ${JSON.stringify(part)}: wanted valid percent-encoding`);
  }
}

/** The served type of a path; NotFound in the words of a server that does not know the resource. */
export function typeOfPath(info: RequestInfo, types: Types): ResourceType {
  const type = types.registry.find(info.group, info.version, info.resource);
  if (!type) throw unknownResource();
  if (info.subresource && !type.subresources.includes(info.subresource)) throw unknownResource();
  if (info.name && type.isNamespaced && info.namespace === undefined) throw unknownResource();
  if (info.namespace !== undefined && !type.isNamespaced) throw unknownResource();
  return type;
}

export function unknownResource(): StatusError {
  return new StatusError("NotFound", "the server could not find the requested resource", {});
}

/** The verb that RBAC knows the request by. */
export function verbOf(method: string, info: RequestInfo, isWatch: boolean): string {
  switch (method) {
    case "GET":
    case "HEAD":
      if (info.name) return "get";
      return isWatch ? "watch" : "list";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return info.name ? "delete" : "deletecollection";
    default:
      throw new StatusError(
        "MethodNotAllowed",
        `the server does not allow the method ${method} on the requested resource`,
      );
  }
}
