import type { IncomingMessage } from "node:http";
import { parseYamlAll } from "#lib/yaml";
import { StatusError } from "../store/status.ts";
import { decodeProtobuf } from "./protobuf.ts";

/** Kubernetes' own limit for one request. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;

/** The whole body. Refused with 413 beyond the limit. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > MAX_BODY_BYTES) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > MAX_BODY_BYTES) throw tooLarge();
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/** A body as a value, by its media type: JSON, YAML or Kubernetes' protobuf. Undefined when empty. */
export function decodeBody(body: Buffer, contentType: string | undefined): unknown {
  if (body.length === 0) return undefined;
  const media = (contentType ?? "application/json").split(";")[0]!.trim().toLowerCase();
  if (media === "application/vnd.kubernetes.protobuf") return decodeProtobuf(body);
  if (media === "application/yaml" || media === "application/apply-patch+yaml") return parseYaml(body);
  if (media === "application/json" || media.endsWith("+json") || media === "application/x-www-form-urlencoded")
    return parseJson(body);
  throw new StatusError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf`,
  );
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (thrown) {
    throw StatusError.badRequest(`Cannot read the body as JSON: ${(thrown as Error).message}`);
  }
}

function parseYaml(body: Buffer): unknown {
  try {
    return parseYamlAll(body.toString("utf8"))[0];
  } catch (thrown) {
    throw StatusError.badRequest((thrown as Error).message);
  }
}

function tooLarge(): StatusError {
  return new StatusError("RequestEntityTooLarge", `Request entity too large: limit is ${MAX_BODY_BYTES}`);
}
