import type { Condition, KubeObject } from "./object.ts";

/** What a route attaches to. */
export interface ParentRef {
  group?: string;
  kind?: string;
  name: string;
  namespace?: string;
  sectionName?: string;
  port?: number;
}

export interface BackendRef {
  group?: string;
  kind?: string;
  name: string;
  namespace?: string;
  port?: number;
  weight?: number;
}

/** What the controller of a parent says about a route. */
export interface RouteParentStatus {
  parentRef: ParentRef;
  controllerName: string;
  conditions?: Condition[];
}

export interface RouteStatus {
  parents: RouteParentStatus[];
}

export interface HttpHeader {
  name: string;
  value: string;
}

export interface HttpHeaderFilter {
  set?: HttpHeader[];
  add?: HttpHeader[];
  remove?: string[];
}

export interface HttpPathModifier {
  type: string;
  replaceFullPath?: string;
  replacePrefixMatch?: string;
}

export interface HttpRequestRedirect {
  scheme?: string;
  hostname?: string;
  path?: HttpPathModifier;
  port?: number;
  statusCode?: number;
}

/** `type` names the member that is set. */
export interface HttpRouteFilter {
  type: string;
  requestHeaderModifier?: HttpHeaderFilter;
  responseHeaderModifier?: HttpHeaderFilter;
  requestRedirect?: HttpRequestRedirect;
  requestMirror?: unknown;
  urlRewrite?: unknown;
  extensionRef?: unknown;
}

export interface ValueMatch {
  type?: string;
  name: string;
  value: string;
}

export interface HttpRouteMatch {
  path?: { type?: string; value?: string };
  headers?: ValueMatch[];
  queryParams?: ValueMatch[];
  method?: string;
}

export interface HttpBackendRef extends BackendRef {
  filters?: HttpRouteFilter[];
}

export interface HttpRouteRule {
  name?: string;
  matches?: HttpRouteMatch[];
  filters?: HttpRouteFilter[];
  backendRefs?: HttpBackendRef[];
  timeouts?: { request?: string; backendRequest?: string };
}

/** HTTPRoute of `gateway.networking.k8s.io` and of `policy.linkerd.io`: the same shape. */
export interface HttpRoute extends KubeObject {
  spec: { parentRefs?: ParentRef[]; hostnames?: string[]; rules?: HttpRouteRule[] };
  status?: RouteStatus;
}

export interface GrpcRouteMatch {
  method?: { type?: string; service?: string; method?: string };
  headers?: ValueMatch[];
}

export interface GrpcRouteRule {
  name?: string;
  matches?: GrpcRouteMatch[];
  filters?: HttpRouteFilter[];
  backendRefs?: HttpBackendRef[];
}

export interface GrpcRoute extends KubeObject {
  spec?: { parentRefs?: ParentRef[]; hostnames?: string[]; rules?: GrpcRouteRule[] };
  status?: RouteStatus;
}

export interface TlsRoute extends KubeObject {
  spec: { parentRefs?: ParentRef[]; hostnames?: string[]; rules: { name?: string; backendRefs?: BackendRef[] }[] };
  status?: RouteStatus;
}

export interface TcpRoute extends KubeObject {
  spec: { parentRefs?: ParentRef[]; rules: { name?: string; backendRefs?: BackendRef[] }[] };
  status?: RouteStatus;
}
