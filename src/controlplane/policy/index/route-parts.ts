/** Matches and filters as the Gateway API writes them, turned into what proxies are sent. */

import type { GrpcRouteMatch, HttpHeaderFilter, HttpRequestRedirect, HttpRouteMatch, ValueMatch } from "#kube/types";
import type { GrpcRouteMatch as GrpcMatchMessage } from "#proto/grpc_route";
import type {
  HostMatch,
  HttpRouteMatch as MatchMessage,
  RequestHeaderModifier,
  RequestRedirect,
} from "#proto/http_route";
import { type HttpMethod, HttpMethod_Registered } from "#proto/http_types";

/** `*.example.com` matches by its labels from the right, anything else exactly. */
export function hostMessage(host: string): HostMatch {
  const labels = host.split(".");
  if (labels[0] !== "*") return { match: { $case: "exact", value: host } };
  return { match: { $case: "suffix", value: { reverseLabels: labels.slice(1).reverse() } } };
}

/** No match at all means every path. Undefined when a type is one that nobody knows. */
export function httpMatchMessages(matches: readonly HttpRouteMatch[] | undefined): MatchMessage[] | undefined {
  const given = matches?.length ? matches : [{}];
  return allDefined(given.map(httpMatchMessage));
}

function httpMatchMessage({ path, headers = [], queryParams = [], method }: HttpRouteMatch): MatchMessage | undefined {
  const value = path?.value ?? "/";
  const kinds = { Exact: "exact", PathPrefix: "prefix", RegularExpression: "regex" } as const;
  const $case = kinds[(path?.type ?? "PathPrefix") as keyof typeof kinds];
  const headerMessages = allDefined(headers.map(headerMatch));
  const queryMessages = allDefined(queryParams.map(queryMatch));
  if (!$case || !headerMessages || !queryMessages) return undefined;
  return {
    path: { kind: { $case, value } },
    headers: headerMessages,
    queryParams: queryMessages,
    method: method === undefined ? undefined : methodMessage(method),
  };
}

function methodMessage(method: string): HttpMethod {
  const registered = HttpMethod_Registered[method as keyof typeof HttpMethod_Registered];
  return registered === undefined
    ? { type: { $case: "unregistered", value: method } }
    : { type: { $case: "registered", value: registered } };
}

type HeaderMessage = MatchMessage["headers"][number];
type QueryMessage = MatchMessage["queryParams"][number];

function headerMatch({ type = "Exact", name, value }: ValueMatch): HeaderMessage | undefined {
  if (type === "Exact") return { name, value: { $case: "exact", value: Buffer.from(value, "utf8") } };
  return type === "RegularExpression" ? { name, value: { $case: "regex", value } } : undefined;
}

function queryMatch({ type = "Exact", name, value }: ValueMatch): QueryMessage | undefined {
  if (type === "Exact") return { name, value: { $case: "exact", value } };
  return type === "RegularExpression" ? { name, value: { $case: "regex", value } } : undefined;
}

/** No match at all means every method. Undefined for a regular expression: proxies have none for gRPC methods. */
export function grpcMatchMessages(matches: readonly GrpcRouteMatch[] | undefined): GrpcMatchMessage[] | undefined {
  const given: readonly GrpcRouteMatch[] = matches?.length ? matches : [{}];
  return allDefined(
    given.map(({ method, headers = [] }) => {
      const headerMessages = allDefined(headers.map(headerMatch));
      if (!headerMessages || (method?.type ?? "Exact") !== "Exact") return undefined;
      return { rpc: { service: method?.service ?? "", method: method?.method ?? "" }, headers: headerMessages };
    }),
  );
}

/** The request's and the response's modifier have one shape. */
export function headerModifier(filter: HttpHeaderFilter): RequestHeaderModifier {
  const list = (headers: HttpHeaderFilter["set"]) =>
    headers?.length
      ? { headers: headers.map(({ name, value }) => ({ name, value: Buffer.from(value, "utf8") })) }
      : undefined;
  return { add: list(filter.add), set: list(filter.set), remove: [...(filter.remove ?? [])] };
}

const DEFAULT_REDIRECT_STATUS = 302; // the API's default, where an object came without it

export function redirectMessage(filter: HttpRequestRedirect): RequestRedirect {
  const { scheme, hostname = "", path, port = 0, statusCode = DEFAULT_REDIRECT_STATUS } = filter;
  return {
    scheme: scheme === undefined ? undefined : schemeMessage(scheme),
    host: hostname,
    path: path && pathModifier(path),
    port,
    status: statusCode,
  };
}

function schemeMessage(scheme: string): RequestRedirect["scheme"] {
  if (scheme === "http") return { type: { $case: "registered", value: 0 } };
  if (scheme === "https") return { type: { $case: "registered", value: 1 } };
  return { type: { $case: "unregistered", value: scheme } };
}

function pathModifier(path: NonNullable<HttpRequestRedirect["path"]>): RequestRedirect["path"] {
  if (path.type === "ReplaceFullPath") return { replace: { $case: "full", value: path.replaceFullPath ?? "/" } };
  return { replace: { $case: "prefix", value: path.replacePrefixMatch ?? "/" } };
}

/** The list, or undefined when one item is. */
export function allDefined<T>(items: readonly (T | undefined)[]): T[] | undefined {
  return items.every((item) => item !== undefined) ? (items as T[]) : undefined;
}
