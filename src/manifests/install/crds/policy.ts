import type { Manifest } from "../object.ts";
import { type CrdOptions, type Definition, definition, type Version } from "./definition.ts";
import {
  boolean,
  choice,
  group,
  int64,
  intOrString,
  kind,
  list,
  looseCondition,
  name,
  namespaceName,
  networks,
  object,
  type Schema,
  selector,
  string,
} from "./schema.ts";

const GROUP = "policy.linkerd.io";

/** Linkerd's policy kinds except its HTTPRoute, in the order of the chart. */
export function policyDefinitions(options: CrdOptions): Record<string, Manifest> {
  const named: Record<string, Definition> = {
    authorizationPolicy,
    egressNetwork,
    httpLocalRateLimitPolicy,
    meshTlsAuthentication,
    networkAuthentication,
    serverAuthorization,
    server: server(),
  };
  return Object.fromEntries(Object.entries(named).map(([key, what]) => [key, definition(options, what)]));
}

const localReference = object({ group, "kind!": kind, "name!": name });
const reference = object({ group, "kind!": kind, "name!": name, namespace: string({ maxLength: 253 }) });

const authorizationPolicy: Definition = {
  group: GROUP,
  kind: "AuthorizationPolicy",
  plural: "authorizationpolicies",
  shortNames: ["authzpolicy"],
  versions: [
    {
      name: "v1alpha1",
      storage: true,
      spec: object({ "targetRef!": localReference, "requiredAuthenticationRefs!": list(reference) }),
    },
  ],
};

const egressNetwork: Definition = {
  group: GROUP,
  kind: "EgressNetwork",
  plural: "egressnetworks",
  categories: ["policy"],
  versions: [
    {
      name: "v1alpha1",
      storage: true,
      subresource: true,
      spec: object({ networks, "trafficPolicy!": choice("Allow", "Deny") }),
      status: object({ conditions: list(looseCondition()) }),
    },
  ],
};

const rate = object({ "requestsPerSecond!": int64() });

const httpLocalRateLimitPolicy: Definition = {
  group: GROUP,
  kind: "HTTPLocalRateLimitPolicy",
  plural: "httplocalratelimitpolicies",
  versions: [
    {
      name: "v1alpha1",
      storage: true,
      subresource: true,
      columns: [
        { name: "Target_kind", jsonPath: ".spec.targetRef.kind" },
        { name: "Target_name", jsonPath: ".spec.targetRef.name" },
        { name: "Total_RPS", jsonPath: ".spec.total.requestsPerSecond", type: "integer" },
        { name: "Identity_RPS", jsonPath: ".spec.identity.requestsPerSecond", type: "integer" },
      ],
      spec: object({
        "targetRef!": localReference,
        total: rate,
        identity: rate,
        overrides: list(
          object({
            "requestsPerSecond!": int64(),
            "clientRefs!": list(object({ group, "kind!": kind, namespace: namespaceName, "name!": name })),
          }),
        ),
      }),
      status: object({
        conditions: list(looseCondition()),
        "targetRef!": object({
          group: string({ default: "policy.linkerd.io" }),
          kind: string({ default: "Server" }),
          "name!": name,
        }),
      }),
    },
  ],
};

const meshTlsAuthentication: Definition = {
  group: GROUP,
  kind: "MeshTLSAuthentication",
  plural: "meshtlsauthentications",
  shortNames: ["meshtlsauthn"],
  versions: [
    {
      name: "v1alpha1",
      storage: true,
      spec: object(
        {
          identities: list(string(), { minItems: 1 }),
          identityRefs: list(object({ group, "kind!": kind, name, namespace: string({ maxLength: 253 }) }), {
            minItems: 1,
          }),
        },
        { oneOf: [{ required: ["identities"] }, { required: ["identityRefs"] }] },
      ),
    },
  ],
};

const networkAuthentication: Definition = {
  group: GROUP,
  kind: "NetworkAuthentication",
  plural: "networkauthentications",
  shortNames: ["netauthn", "networkauthn"],
  versions: [{ name: "v1alpha1", storage: true, spec: object({ "networks!": networks }) }],
};

function serverAuthorizationSpec(): Schema {
  const identity = "^(\\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
  const label = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
  return object({
    "server!": object(
      { selector: selector(true), name: string({ pattern: label }) },
      { oneOf: [{ required: ["name"] }, { required: ["selector"] }] },
    ),
    "client!": object({
      networks,
      unauthenticated: boolean(),
      meshTLS: object({
        unauthenticatedTLS: boolean(),
        identities: list(string({ pattern: identity })),
        serviceAccounts: list(object({ "name!": string({ pattern: label }), namespace: string({ pattern: label }) })),
      }),
    }),
  });
}

const serverAuthorization: Definition = {
  group: GROUP,
  kind: "ServerAuthorization",
  plural: "serverauthorizations",
  shortNames: ["saz", "serverauthz", "srvauthz"],
  versions: [
    {
      name: "v1alpha1",
      spec: serverAuthorizationSpec(),
      deprecationWarning:
        "policy.linkerd.io/v1alpha1 ServerAuthorization is deprecated; use policy.linkerd.io/v1beta1 ServerAuthorization",
    },
    {
      name: "v1beta1",
      storage: true,
      spec: serverAuthorizationSpec(),
      columns: [
        { name: "Server", jsonPath: ".spec.server.name", description: "The server that this grants access to" },
      ],
    },
  ],
};

function server(): Definition {
  const columns = [
    { name: "Port", jsonPath: ".spec.port", description: "The port the server is listening on" },
    { name: "Protocol", jsonPath: ".spec.proxyProtocol", description: "The protocol of the server" },
  ];
  const access = { name: "Access Policy", jsonPath: ".spec.accessPolicy", description: "Who may connect by default" };
  const warning = (from: string, to: string) =>
    `policy.linkerd.io/${from} Server is deprecated; use policy.linkerd.io/${to} Server`;
  const either = { oneOf: [{ required: ["podSelector"] }, { required: ["externalWorkloadSelector"] }] };
  const common = { "port!": intOrString, proxyProtocol: string({ default: "unknown" }) };
  const both = { podSelector: selector(), externalWorkloadSelector: selector(), ...common };
  const versions: Version[] = [
    {
      name: "v1alpha1",
      deprecationWarning: warning("v1alpha1", "v1beta1"),
      spec: object({ "podSelector!": selector(true), ...common }),
    },
    {
      name: "v1beta1",
      deprecationWarning: warning("v1beta1", "v1beta3"),
      columns,
      spec: object({ "podSelector!": selector(), ...common }),
    },
    { name: "v1beta2", columns, spec: object(both, either) },
    {
      name: "v1beta3",
      storage: true,
      columns: [...columns, access],
      spec: object({ ...both, accessPolicy: string({ default: "deny" }) }, either),
    },
  ];
  return { group: GROUP, kind: "Server", plural: "servers", shortNames: ["srv"], versions };
}
