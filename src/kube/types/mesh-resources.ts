/** Linkerd's custom resources and the Gateway API's, in the versions the control plane reads. */
import type { GrpcRoute, HttpRoute, TcpRoute, TlsRoute } from "./gateway.ts";
import type {
  AuthorizationPolicy,
  EgressNetwork,
  ExternalWorkload,
  HttpLocalRateLimitPolicy,
  Link,
  MeshTlsAuthentication,
  NetworkAuthentication,
  Server,
  ServerAuthorization,
  ServiceProfile,
} from "./mesh.ts";
import { namespaced } from "./resource-type.ts";

export const SERVICE_PROFILES = namespaced<ServiceProfile>(
  "linkerd.io",
  "v1alpha2",
  "serviceprofiles",
  "ServiceProfile",
);
export const SERVERS = namespaced<Server>("policy.linkerd.io", "v1beta3", "servers", "Server");
export const POLICY_HTTP_ROUTES = namespaced<HttpRoute>("policy.linkerd.io", "v1beta3", "httproutes", "HTTPRoute");
export const SERVER_AUTHORIZATIONS = namespaced<ServerAuthorization>(
  "policy.linkerd.io",
  "v1beta1",
  "serverauthorizations",
  "ServerAuthorization",
);
export const AUTHORIZATION_POLICIES = namespaced<AuthorizationPolicy>(
  "policy.linkerd.io",
  "v1alpha1",
  "authorizationpolicies",
  "AuthorizationPolicy",
);
export const MESH_TLS_AUTHENTICATIONS = namespaced<MeshTlsAuthentication>(
  "policy.linkerd.io",
  "v1alpha1",
  "meshtlsauthentications",
  "MeshTLSAuthentication",
);
export const NETWORK_AUTHENTICATIONS = namespaced<NetworkAuthentication>(
  "policy.linkerd.io",
  "v1alpha1",
  "networkauthentications",
  "NetworkAuthentication",
);
export const HTTP_LOCAL_RATE_LIMIT_POLICIES = namespaced<HttpLocalRateLimitPolicy>(
  "policy.linkerd.io",
  "v1alpha1",
  "httplocalratelimitpolicies",
  "HTTPLocalRateLimitPolicy",
);
export const EGRESS_NETWORKS = namespaced<EgressNetwork>(
  "policy.linkerd.io",
  "v1alpha1",
  "egressnetworks",
  "EgressNetwork",
);
export const EXTERNAL_WORKLOADS = namespaced<ExternalWorkload>(
  "workload.linkerd.io",
  "v1beta1",
  "externalworkloads",
  "ExternalWorkload",
);
export const LINKS = namespaced<Link>("multicluster.linkerd.io", "v1alpha3", "links", "Link");
export const HTTP_ROUTES = namespaced<HttpRoute>("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute");
export const GRPC_ROUTES = namespaced<GrpcRoute>("gateway.networking.k8s.io", "v1", "grpcroutes", "GRPCRoute");
export const TLS_ROUTES = namespaced<TlsRoute>("gateway.networking.k8s.io", "v1alpha2", "tlsroutes", "TLSRoute");
export const TCP_ROUTES = namespaced<TcpRoute>("gateway.networking.k8s.io", "v1alpha2", "tcproutes", "TCPRoute");
