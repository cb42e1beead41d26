import type { ServerResponse } from "node:http";
import type { KubeObject } from "../store/object.ts";
import { apiVersionOf } from "../store/resources.ts";
import type { StatusError } from "../store/status.ts";
import { StatusError as Refusal } from "../store/status.ts";
import type { Call, ResourceCall } from "./call.ts";
import { type IncludeObject, toTable } from "./table/table.ts";

/** How the client wants objects: plain, as tables, or only their metadata. */
export interface Form {
  readonly kind: "object" | "table" | "partial";
  readonly version: string;
  readonly include: IncludeObject;
}

/** Reads the Accept header: the first form that we have. JSON is always an acceptable answer to clients that prefer protobuf. */
export function formOf(call: Call): Form {
  const include = (call.url.searchParams.get("includeObject") ?? "Metadata") as IncludeObject;
  const accept = call.request.headers.accept ?? "*/*";
  for (const part of accept.split(",")) {
    const [media, ...parameters] = part.split(";").map((piece) => piece.trim());
    const named = new Map(parameters.map((pair) => pair.split("=") as [string, string]));
    const as = named.get("as");
    if (media !== "application/json" && media !== "application/*" && media !== "*/*") continue;
    const version = named.get("v") ?? "v1";
    if (as === undefined) return { kind: "object", version, include };
    if (version !== "v1" && version !== "v1beta1") continue;
    if (as === "Table") return { kind: "table", version, include };
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList")
      return { kind: "partial", version, include };
  }
  if (/protobuf|yaml|text\/plain|cbor/.test(accept)) return { kind: "object", version: "v1", include };
  throw new Refusal("NotAcceptable", "only the following media types are accepted: application/json");
}

/** One object in the form the client wants. */
export function sendObject(call: ResourceCall, code: number, object: KubeObject): void {
  sendJson(call, code, shapeObject(call, formOf(call), object, true));
}

/** One object as the body of an answer or of a watch event. */
export function shapeObject(call: ResourceCall, form: Form, stored: KubeObject, withHeader: boolean): unknown {
  const object = inVersion(call, stored);
  if (form.kind === "table")
    return toTable(call.type, call.parts.types, [object], {
      nowMs: call.parts.clock.wallMs(),
      include: form.include,
      version: form.version,
      resourceVersion: object.metadata.resourceVersion ?? "",
      withHeader,
    });
  if (form.kind === "partial")
    return { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${form.version}`, metadata: object.metadata };
  return object;
}

/** An object as the requested version names it: conversion is None, only apiVersion differs. */
export function inVersion(call: ResourceCall, object: KubeObject): KubeObject {
  const wanted = apiVersionOf(call.type);
  const { apiVersion: _version, kind: _kind, ...rest } = object;
  return { kind: call.type.kind, apiVersion: wanted, ...rest };
}

export function sendJson(
  call: Pick<Call, "response" | "warnings">,
  code: number,
  body: unknown,
  contentType = "application/json",
): void {
  sendText(call.response, code, `${JSON.stringify(body)}\n`, contentType, call.warnings);
}

export function sendText(
  response: ServerResponse,
  code: number,
  text: string,
  contentType: string,
  warnings: readonly string[] = [],
): void {
  if (response.headersSent || response.destroyed) return;
  const headers: Record<string, string | string[]> = {
    "content-type": contentType,
    "content-length": String(Buffer.byteLength(text)),
    "cache-control": "no-cache, private",
  };
  if (warnings.length > 0) headers["warning"] = warningHeaders(warnings);
  response.writeHead(code, headers);
  response.end(text);
}

/** RFC 7234 §5.5 with agent "-" and code 299, as kube-apiserver writes them. */
function warningHeaders(warnings: readonly string[]): string[] {
  return [...new Set(warnings)].map(
    (text) =>
      `299 - "${text
        .replace(/[^\x20-\x7e]/g, " ")
        .replace(/\\/g, "\\\\")
        .replace(/"/g, '\\"')}"`,
  );
}

/** A refusal; after the head has gone out the connection just ends. */
export function sendStatus(response: ServerResponse, error: StatusError, warnings: readonly string[] = []): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (error.details?.retryAfterSeconds) response.setHeader("retry-after", String(error.details.retryAfterSeconds));
  sendText(response, error.code, `${JSON.stringify(error.toStatus())}\n`, "application/json", warnings);
}
