import { identityName } from "#contracts/identity-name";
import {
  type AuthorizationPolicy,
  type NamespacedTargetRef,
  type Server,
  type ServerAuthorization,
  selectorMatches,
} from "#kube/types";
import { IpNetwork } from "#net/address";
import type { Authn, Authz, Network } from "#proto/inbound";
import { ALL_NETWORKS, networkMessage } from "../core/addresses.ts";
import {
  ANY_TLS,
  defaultAuthorizations,
  identityAuthentication,
  isDefaultPolicy,
  objectAuthorization,
  UNAUTHENTICATED,
} from "../core/authorization.ts";
import { byAge, type PolicyConfig, type PolicyObjects, parseNetworks } from "./objects.ts";

/** Everything that lets somebody call a Server's ports: objects that name it, then its own access policy. */
export function serverAuthorizations(objects: PolicyObjects, config: PolicyConfig, server: Server): Authz[] {
  const namespace = server.metadata.namespace ?? "";
  const policies = objects.authorizationPolicies
    .list(namespace)
    .filter((policy) => targetsServer(policy, server))
    .sort(byAge)
    .map((policy) => policyAuthorization(objects, config, policy));
  const legacy = objects.serverAuthorizations
    .list(namespace)
    .filter((authorization) => selectsServer(authorization, server))
    .sort(byAge)
    .map((authorization) => legacyAuthorization(config, authorization));
  const access = server.spec.accessPolicy ?? "deny";
  const own = isDefaultPolicy(access) ? defaultAuthorizations(access, clusterNetworks(config)) : [];
  return [...policies, ...legacy, ...own].filter((authorization) => authorization !== undefined);
}

/** What lets somebody call one route: AuthorizationPolicies that target it. */
export function routeAuthorizations(
  objects: PolicyObjects,
  config: PolicyConfig,
  route: { readonly group: string; readonly kind: string; readonly name: string; readonly namespace: string },
): Authz[] {
  return objects.authorizationPolicies
    .list(route.namespace)
    .filter(({ spec: { targetRef } }) => isSame(targetRef, route.group, route.kind) && targetRef.name === route.name)
    .sort(byAge)
    .map((policy) => policyAuthorization(objects, config, policy))
    .filter((authorization) => authorization !== undefined);
}

export function clusterNetworks(config: PolicyConfig): Network[] {
  return config.clusterNetworks.map((net) => networkMessage({ net, except: [] }));
}

function isSame(ref: { group?: string; kind: string }, group: string, kind: string): boolean {
  const asked = (ref.group ?? "").toLowerCase();
  return (asked === "core" ? "" : asked) === group && ref.kind.toLowerCase() === kind.toLowerCase();
}

function targetsServer({ spec: { targetRef } }: AuthorizationPolicy, server: Server): boolean {
  if (isSame(targetRef, "policy.linkerd.io", "Server")) return targetRef.name === server.metadata.name;
  return isSame(targetRef, "", "Namespace") && targetRef.name === server.metadata.namespace;
}

/** Undefined when a reference does not resolve or cannot be combined: then the policy grants nothing. */
function policyAuthorization(
  objects: PolicyObjects,
  config: PolicyConfig,
  policy: AuthorizationPolicy,
): Authz | undefined {
  const { name, namespace = "" } = policy.metadata;
  let authentication: Authn | undefined;
  let networks: Network[] | undefined;
  for (const ref of policy.spec.requiredAuthenticationRefs ?? []) {
    if (isSame(ref, "policy.linkerd.io", "NetworkAuthentication")) {
      if (networks) return undefined;
      networks = referencedNetworks(objects, ref, namespace);
      if (!networks) return undefined;
    } else {
      if (authentication) return undefined;
      authentication = referencedIdentities(objects, config, ref, namespace);
      if (!authentication) return undefined;
    }
  }
  return objectAuthorization(
    "authorizationpolicy",
    { name, namespace },
    networks ?? ALL_NETWORKS,
    authentication ?? UNAUTHENTICATED,
  );
}

function referencedNetworks(
  objects: PolicyObjects,
  ref: NamespacedTargetRef,
  namespace: string,
): Network[] | undefined {
  const found = objects.networkAuthentications.get(ref.name, ref.namespace ?? namespace);
  if (!found?.spec.networks?.length) return undefined;
  return parseNetworks(found.spec.networks, IpNetwork.parse)?.map(networkMessage);
}

function referencedIdentities(
  objects: PolicyObjects,
  config: PolicyConfig,
  ref: NamespacedTargetRef,
  namespace: string,
): Authn | undefined {
  const refNamespace = ref.namespace ?? namespace;
  if (isSame(ref, "", "ServiceAccount")) {
    return identityAuthentication([serviceAccountIdentity(config, ref.name, refNamespace)]);
  }
  if (!isSame(ref, "policy.linkerd.io", "MeshTLSAuthentication")) return undefined;
  const found = objects.meshTlsAuthentications.get(ref.name, refNamespace);
  if (!found) return undefined;
  const patterns = [...(found.spec.identities ?? [])];
  for (const identity of found.spec.identityRefs ?? []) {
    const pattern = identityPattern(config, identity, refNamespace);
    if (pattern === undefined) return undefined;
    patterns.push(pattern);
  }
  return patterns.length > 0 ? identityAuthentication(patterns) : undefined;
}

function identityPattern(config: PolicyConfig, ref: NamespacedTargetRef, namespace: string): string | undefined {
  if (isSame(ref, "", "ServiceAccount")) return serviceAccountIdentity(config, ref.name, ref.namespace ?? namespace);
  return isSame(ref, "", "Namespace") ? serviceAccountIdentity(config, "*", ref.name) : undefined;
}

/** A ServiceAccount's identity; `*` as its name gives the pattern of a namespace. */
export function serviceAccountIdentity(config: PolicyConfig, serviceAccount: string, namespace: string): string {
  const { controlPlaneNs, trustDomain } = config;
  return identityName({ serviceAccount, namespace, controlPlaneNs, trustDomain });
}

function selectsServer({ spec: { server: wanted } }: ServerAuthorization, server: Server): boolean {
  if (wanted.name !== undefined) return wanted.name === server.metadata.name;
  return selectorMatches(wanted.selector, server.metadata.labels);
}

/** Undefined when no client authentication is stated: such an object grants nothing. */
function legacyAuthorization(config: PolicyConfig, { metadata, spec }: ServerAuthorization): Authz | undefined {
  const { name, namespace = "" } = metadata;
  const authentication = legacyAuthentication(config, spec.client, namespace);
  const networks = spec.client.networks?.length
    ? parseNetworks(spec.client.networks, IpNetwork.parse)?.map(networkMessage)
    : clusterNetworks(config);
  if (!authentication || !networks) return undefined;
  return objectAuthorization("serverauthorization", { name, namespace }, networks, authentication);
}

function legacyAuthentication(
  config: PolicyConfig,
  client: ServerAuthorization["spec"]["client"],
  namespace: string,
): Authn | undefined {
  if (client.unauthenticated) return UNAUTHENTICATED;
  if (client.meshTLS?.unauthenticatedTLS) return ANY_TLS;
  const { identities = [], serviceAccounts = [] } = client.meshTLS ?? {};
  const accounts = serviceAccounts.map((account) =>
    serviceAccountIdentity(config, account.name, account.namespace ?? namespace),
  );
  const patterns = [...identities, ...accounts];
  return patterns.length > 0 ? identityAuthentication(patterns) : undefined;
}
