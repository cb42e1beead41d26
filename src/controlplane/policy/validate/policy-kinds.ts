/** Rules for the kinds of `policy.linkerd.io` other than routes. `spec` is whatever somebody applied. */
import { IpNetwork } from "#net/address";
import { DEFAULT_POLICIES } from "../core/authorization.ts";
import { PROXY_PROTOCOLS } from "../core/inbound.ts";
import { isMap, mapsOf, type Problems } from "./problems.ts";

type Spec = Readonly<Record<string, unknown>>;
type Check = (problems: Problems, spec: Spec, namespace: string) => void;

export const POLICY_KIND_CHECKS: Readonly<Record<string, Check>> = {
  server: checkServer,
  serverauthorization: checkServerAuthorization,
  authorizationpolicy: checkAuthorizationPolicy,
  meshtlsauthentication: checkMeshTls,
  networkauthentication: (problems, spec) => checkNetworks(problems, "spec.networks", spec["networks"], true),
  egressnetwork: checkEgressNetwork,
  httplocalratelimitpolicy: checkRateLimit,
};

function checkServer(problems: Problems, spec: Spec): void {
  const { port, proxyProtocol, accessPolicy, podSelector, externalWorkloadSelector } = spec;
  const isPort =
    typeof port === "number"
      ? Number.isInteger(port) && port >= 1 && port <= 65_535
      : typeof port === "string" && port !== "";
  problems.expect(isPort, "spec.port", port, "a port number from 1 to 65535 or the name of one");
  checkWord(problems, "spec.proxyProtocol", proxyProtocol, PROXY_PROTOCOLS);
  checkWord(problems, "spec.accessPolicy", accessPolicy, DEFAULT_POLICIES);
  const selectors = [podSelector, externalWorkloadSelector].filter((selector) => selector !== undefined);
  if (selectors.length !== 1) problems.say("spec: exactly one of podSelector and externalWorkloadSelector must be set");
}

function checkWord(problems: Problems, field: string, value: unknown, words: readonly string[]): void {
  const isKnown = value === undefined || (typeof value === "string" && words.includes(value));
  problems.expect(isKnown, field, value, `one of ${words.join(", ")}`);
}

function checkServerAuthorization(problems: Problems, spec: Spec): void {
  const server = spec["server"];
  problems.expect(
    isMap(server) && (server["name"] === undefined) !== (server["selector"] === undefined),
    "spec.server",
    server,
    "a map with either name or selector",
  );
  const client = spec["client"];
  if (!isMap(client)) {
    problems.add("spec.client", client, "a map");
    return;
  }
  checkNetworks(problems, "spec.client.networks", client["networks"], false);
  const mesh = client["meshTLS"];
  if (client["unauthenticated"] === true && mesh !== undefined) {
    problems.say("spec.client: unauthenticated and meshTLS exclude each other");
  }
  if (!isMap(mesh)) return;
  const names = [mesh["identities"], mesh["serviceAccounts"]].some((list) => Array.isArray(list) && list.length > 0);
  if (mesh["unauthenticatedTLS"] === true && names) {
    problems.say("spec.client.meshTLS: unauthenticatedTLS excludes identities and serviceAccounts");
  }
}

function groupKind({ group, kind }: Spec): string {
  const lower = typeof group === "string" ? group.toLowerCase() : "";
  return `${lower === "core" ? "" : lower}/${typeof kind === "string" ? kind.toLowerCase() : ""}`;
}

const TARGETS = new Set([
  "policy.linkerd.io/server",
  "/namespace",
  "policy.linkerd.io/httproute",
  "gateway.networking.k8s.io/httproute",
  "gateway.networking.k8s.io/grpcroute",
]);

function checkAuthorizationPolicy(problems: Problems, spec: Spec, namespace: string): void {
  const target = spec["targetRef"];
  if (!isMap(target)) {
    problems.add("spec.targetRef", target, "a map with kind and name");
    return;
  }
  problems.expect(
    TARGETS.has(groupKind(target)),
    "spec.targetRef",
    target,
    "a Server, HTTPRoute, GRPCRoute or this Namespace",
  );
  if (groupKind(target) === "/namespace") {
    problems.expect(
      target["name"] === namespace,
      "spec.targetRef.name",
      target["name"],
      `the policy's own namespace "${namespace}"`,
    );
  }
  const refs = spec["requiredAuthenticationRefs"];
  if (!Array.isArray(refs)) {
    problems.add("spec.requiredAuthenticationRefs", refs, "a list");
    return;
  }
  checkAuthenticationRefs(problems, mapsOf(problems, "spec.requiredAuthenticationRefs", refs));
}

function checkAuthenticationRefs(problems: Problems, refs: readonly Spec[]): void {
  const kinds = refs.map(groupKind);
  const count = (kind: string): number => kinds.filter((other) => other === kind).length;
  const mesh = count("policy.linkerd.io/meshtlsauthentication");
  const accounts = count("/serviceaccount");
  const networks = count("policy.linkerd.io/networkauthentication");
  const field = "spec.requiredAuthenticationRefs";
  if (mesh > 1) problems.say(`${field}: only one MeshTLSAuthentication may be required`);
  if (accounts > 1) problems.say(`${field}: only one ServiceAccount may be required`);
  if (mesh > 0 && accounts > 0)
    problems.say(`${field}: a MeshTLSAuthentication and a ServiceAccount exclude each other`);
  if (networks > 1) problems.say(`${field}: only one NetworkAuthentication may be required`);
  refs.forEach((ref, i) => {
    const isKnown = /^(policy\.linkerd\.io\/(meshtls|network)authentication|\/serviceaccount)$/.test(kinds[i] ?? "");
    problems.expect(isKnown, `${field}[${i}]`, ref, "a MeshTLSAuthentication, NetworkAuthentication or ServiceAccount");
  });
}

const DNS_PATTERN = /^(\*|(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)$/;
const SPIFFE_URI = /^spiffe:\/\/[a-z0-9._-]+(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)*$/;

function checkMeshTls(problems: Problems, spec: Spec): void {
  const { identities, identityRefs } = spec;
  if ((identities === undefined) === (identityRefs === undefined)) {
    problems.say("spec: exactly one of identities and identityRefs must be set");
  }
  if (identities !== undefined && !Array.isArray(identities)) problems.add("spec.identities", identities, "a list");
  for (const [i, identity] of (Array.isArray(identities) ? identities : []).entries()) {
    const isKnown = typeof identity === "string" && (DNS_PATTERN.test(identity) || SPIFFE_URI.test(identity));
    problems.expect(isKnown, `spec.identities[${i}]`, identity, '"*", a DNS name, "*." before one, or a SPIFFE URI');
  }
  mapsOf(problems, "spec.identityRefs", identityRefs).forEach((ref, i) => {
    const kind = groupKind(ref);
    const field = `spec.identityRefs[${i}]`;
    problems.expect(kind === "/serviceaccount" || kind === "/namespace", field, ref, "a ServiceAccount or a Namespace");
    if (kind === "/namespace" && ref["namespace"] !== undefined) problems.say(`${field}: a Namespace has no namespace`);
  });
}

function checkEgressNetwork(problems: Problems, spec: Spec): void {
  const { trafficPolicy, networks } = spec;
  problems.expect(
    trafficPolicy === "Allow" || trafficPolicy === "Deny",
    "spec.trafficPolicy",
    trafficPolicy,
    "Allow or Deny",
  );
  if (networks !== undefined) checkNetworks(problems, "spec.networks", networks, true);
}

function checkNetworks(problems: Problems, field: string, value: unknown, isRequired: boolean): void {
  if (isRequired && (!Array.isArray(value) || value.length === 0)) {
    problems.add(field, value, "a list with at least one network");
    return;
  }
  mapsOf(problems, field, value).forEach(({ cidr, except }, i) => {
    const net = typeof cidr === "string" ? IpNetwork.parse(cidr) : undefined;
    if (!net) {
      problems.add(`${field}[${i}].cidr`, cidr, "a network like 10.0.0.0/8");
      return;
    }
    const holes = except === undefined ? [] : except;
    if (!Array.isArray(holes)) {
      problems.add(`${field}[${i}].except`, except, "a list of networks");
      return;
    }
    holes.forEach((hole: unknown, j) => {
      const block = typeof hole === "string" ? IpNetwork.parse(hole) : undefined;
      const isInside = block !== undefined && net.contains(block.bytes) && block.prefixLength > net.prefixLength;
      problems.expect(isInside, `${field}[${i}].except[${j}]`, hole, `a network inside ${cidr} that leaves some of it`);
    });
  });
}

const MAX_RATE = 2 ** 32 - 1;

function checkRateLimit(problems: Problems, spec: Spec): void {
  const target = spec["targetRef"];
  const isServer = isMap(target) && groupKind(target) === "policy.linkerd.io/server";
  problems.expect(isServer, "spec.targetRef", target, "a Server of policy.linkerd.io");
  const total = rate(problems, "spec.total", spec["total"]);
  const atMostTotal = (field: string, value: number | undefined): void => {
    const isWithin = value === undefined || total === undefined || value <= total;
    problems.expect(isWithin, `${field}.requestsPerSecond`, value, `at most spec.total's ${total}`);
  };
  atMostTotal("spec.identity", rate(problems, "spec.identity", spec["identity"]));
  mapsOf(problems, "spec.overrides", spec["overrides"]).forEach((override, i) => {
    const field = `spec.overrides[${i}]`;
    atMostTotal(field, rate(problems, field, override));
    mapsOf(problems, `${field}.clientRefs`, override["clientRefs"]).forEach((ref, j) => {
      problems.expect(groupKind(ref) === "/serviceaccount", `${field}.clientRefs[${j}]`, ref, "a ServiceAccount");
    });
  });
}

function rate(problems: Problems, field: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const perSecond = isMap(value) ? value["requestsPerSecond"] : undefined;
  const isRate =
    typeof perSecond === "number" && Number.isInteger(perSecond) && perSecond >= 1 && perSecond <= MAX_RATE;
  problems.expect(isRate, `${field}.requestsPerSecond`, perSecond, `a whole number from 1 to ${MAX_RATE}`);
  return isRate ? perSecond : undefined;
}
