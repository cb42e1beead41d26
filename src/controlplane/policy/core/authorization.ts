/** Who may call: authentications and authorizations as proxies check them. */
import type { Authn, Authz, Network } from "#proto/inbound";
import { ALL_NETWORKS } from "./addresses.ts";
import { defaultMetadata, POLICY_GROUP, resourceMetadata } from "./metadata.ts";

export const DEFAULT_POLICIES = [
  "all-unauthenticated",
  "all-authenticated",
  "cluster-unauthenticated",
  "cluster-authenticated",
  "deny",
  "audit",
] as const;

/** What holds for a port that no Server describes. */
export type DefaultPolicy = (typeof DEFAULT_POLICIES)[number];

export function isDefaultPolicy(text: string | undefined): text is DefaultPolicy {
  return (DEFAULT_POLICIES as readonly (string | undefined)[]).includes(text);
}

/** The same policy with a mesh identity demanded; `deny` and `audit` are not about identities and stay. */
export function requireIdentity(policy: DefaultPolicy): DefaultPolicy {
  if (policy === "all-unauthenticated") return "all-authenticated";
  return policy === "cluster-unauthenticated" ? "cluster-authenticated" : policy;
}

/** What a default policy allows: nothing, or one authorization that bears its name. */
export function defaultAuthorizations(policy: DefaultPolicy, clusterNetworks: readonly Network[]): Authz[] {
  if (policy === "deny") return [];
  const networks = policy.startsWith("cluster-") ? clusterNetworks : ALL_NETWORKS;
  const authentication = policy.endsWith("-authenticated") ? ANY_IDENTITY : UNAUTHENTICATED;
  return [
    { ...authorization(networks, authentication), ...named("", "default", policy), metadata: defaultMetadata(policy) },
  ];
}

/** An authorization that an object of the cluster states. */
export function objectAuthorization(
  kind: "authorizationpolicy" | "serverauthorization",
  { name, namespace }: { readonly name: string; readonly namespace: string },
  networks: readonly Network[],
  authentication: Authn,
): Authz {
  return {
    ...authorization(networks, authentication),
    ...named(POLICY_GROUP, kind, name),
    metadata: resourceMetadata({ group: POLICY_GROUP, kind, name, namespace }),
  };
}

/** Kubelets asking whether a container is well. */
export function probeAuthorization(probeNetworks: readonly Network[]): Authz {
  return {
    ...authorization(probeNetworks, UNAUTHENTICATED),
    ...named("", "default", "probe"),
    metadata: defaultMetadata("probe"),
  };
}

function authorization(
  networks: readonly Network[],
  authentication: Authn,
): Pick<Authz, "networks" | "authentication"> {
  return { networks: [...networks], authentication };
}

function named(group: string, kind: string, name: string): Pick<Authz, "labels"> {
  return { labels: { group, kind, name } }; // what proxies before metadata read
}

export const UNAUTHENTICATED: Authn = { permit: { $case: "unauthenticated", value: {} } };

/** Mesh TLS, with or without a client certificate. */
export const ANY_TLS: Authn = {
  permit: { $case: "meshTLS", value: { clients: { $case: "unauthenticated", value: {} } } },
};

/** Mesh TLS with one of the identities. `*` means any, `*.suffix` those that end so, anything else exactly itself. */
export function identityAuthentication(patterns: readonly string[]): Authn {
  const identities: { name: string }[] = [];
  const suffixes: { parts: string[] }[] = [];
  for (const pattern of patterns) {
    if (pattern === "*") suffixes.push({ parts: [] });
    else if (pattern.startsWith("*.")) suffixes.push({ parts: pattern.slice(2).split(".") });
    else identities.push({ name: pattern });
  }
  return {
    permit: { $case: "meshTLS", value: { clients: { $case: "identities", value: { identities, suffixes } } } },
  };
}

const ANY_IDENTITY = identityAuthentication(["*"]);
