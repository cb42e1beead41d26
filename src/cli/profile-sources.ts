import { parseYamlAll } from "#lib/yaml";
import { CliError, messageOf } from "./cli-error.ts";

/** A route as a ServiceProfile holds it. */
export interface ProfileRoute {
  name: string;
  condition: { method: string; pathRegex: string };
  isRetryable?: boolean;
  timeout?: string;
  responseClasses?: { condition: { status: { min: number; max: number } }; isFailure?: boolean }[];
}

const METHODS = ["delete", "get", "head", "options", "patch", "post", "put"];

interface Operation {
  responses?: Record<string, unknown>;
  "x-linkerd-retryable"?: boolean;
  "x-linkerd-timeout"?: string;
}

/** One route per path and method of an OpenAPI (Swagger 2) document, paths in order. */
export function routesOfOpenApi(text: string): ProfileRoute[] {
  const { basePath = "", paths } = readDocument(text);
  if (!paths) throw new CliError('Cannot read the OpenAPI document: it has no "paths"');
  return Object.keys(paths)
    .sort()
    .flatMap((path) =>
      METHODS.filter((method) => paths[path]?.[method]).map((method) =>
        routeOf(basePath.replace(/\/$/, "") + path, method.toUpperCase(), paths[path]![method]!),
      ),
    );
}

function readDocument(text: string): { basePath?: string; paths?: Record<string, Record<string, Operation>> } {
  try {
    const [document] = parseYamlAll(text);
    return (document ?? {}) as ReturnType<typeof readDocument>;
  } catch (cause) {
    throw new CliError(`Cannot read the OpenAPI document: ${messageOf(cause)}`, { cause });
  }
}

function routeOf(path: string, method: string, operation: Operation): ProfileRoute {
  const responseClasses = Object.keys(operation.responses ?? {})
    .filter((status) => /^[1-5][0-9][0-9]$/.test(status))
    .sort()
    .map((status) => ({
      condition: { status: { min: Number(status), max: Number(status) } },
      ...(Number(status) >= 500 ? { isFailure: true } : {}),
    }));
  return {
    name: `${method} ${path}`,
    condition: { method, pathRegex: pathRegex(path) },
    ...(responseClasses.length > 0 ? { responseClasses } : {}),
    ...(operation["x-linkerd-retryable"] ? { isRetryable: true } : {}),
    ...(operation["x-linkerd-timeout"] ? { timeout: operation["x-linkerd-timeout"] } : {}),
  };
}

/** `/books/{id}` matches any one segment in place of `{id}`; everything else is literal. */
function pathRegex(path: string): string {
  return path
    .split(/\{[^}]*\}/)
    .map(quoted)
    .join("[^/]*");
}

function quoted(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** One route per rpc of a .proto file, in its order. */
export function routesOfProto(text: string): ProfileRoute[] {
  const source = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/[^\n]*/g, "");
  const packageName = /\bpackage\s+([\w.]+)\s*;/.exec(source)?.[1];
  const routes: ProfileRoute[] = [];
  for (const [, service, body] of source.matchAll(/\bservice\s+(\w+)\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}/g)) {
    const full = packageName ? `${packageName}.${service}` : service!;
    for (const rpc of body!.matchAll(
      /\brpc\s+(\w+)\s*\([^)]*\)\s*returns\s*\([^)]*\)\s*(\{(?:[^{}]|\{[^{}]*\})*\})?/g,
    )) {
      const isIdempotent = /idempotency_level\s*=\s*(IDEMPOTENT|NO_SIDE_EFFECTS)\b/.test(rpc[2] ?? "");
      routes.push({
        name: rpc[1]!,
        condition: { method: "POST", pathRegex: quoted(`/${full}/${rpc[1]}`) },
        ...(isIdempotent ? { isRetryable: true } : {}),
      });
    }
  }
  if (routes.length === 0) throw new CliError("Cannot read the .proto file: there is no rpc in it");
  return routes;
}
