import { toYaml } from "#lib/yaml";
import type { Values } from "../values.ts";
import { base64, type Manifest, metadata, type Rendering, sortKeys, trustDomain } from "./object.ts";
import { role, roleBinding } from "./rbac.ts";

export const CONFIG_MAP = "linkerd-config";
export const OVERRIDES_SECRET = "linkerd-config-overrides";
const READER_ROLE = "ext-namespace-metadata-linkerd-config";

/** The configuration that is in force, for the injector and the command line to read. It holds no key. */
export function configObjects(rendering: Rendering): Manifest[] {
  return [configMap(rendering), ...configRbac(rendering)];
}

function configMap(rendering: Rendering): Manifest {
  return {
    kind: "ConfigMap",
    apiVersion: "v1",
    metadata: metadata(rendering, CONFIG_MAP, { component: "controller", annotated: true }),
    data: {
      "linkerd-crds-chart-version": "linkerd-crds-1.0.0-edge",
      values: toYaml(sortKeys(withoutKeys(rendering.values))),
    },
  };
}

/** A ConfigMap is readable by many: every private key leaves the tree first. */
function withoutKeys(values: Values): unknown {
  const { identity, proxyInjector, profileValidator, policyValidator } = values;
  return {
    ...values,
    identityTrustDomain: trustDomain(values),
    identity: { ...identity, issuer: { ...identity.issuer, tls: without(identity.issuer.tls) } },
    proxyInjector: without(proxyInjector),
    profileValidator: without(profileValidator),
    policyValidator: without(policyValidator),
  };
}

function without(tls: { keyPEM: string }): Record<string, unknown> {
  const { keyPEM: _secret, ...rest } = tls;
  return rest;
}

function configRbac(rendering: Rendering): Manifest[] {
  const rule = { apiGroups: [""], resources: ["configmaps"], verbs: ["get"], resourceNames: [CONFIG_MAP] };
  const readers = rendering.values.configReaders ?? [];
  const readable = role(rendering, READER_ROLE, undefined, [rule]);
  if (readers.length === 0) return [readable];
  return [readable, roleBinding(rendering, { name: "linkerd-config-reader", role: READER_ROLE, subjects: readers })];
}

/** What differs from the defaults, generated credentials included, kept for `upgrade` and `prune`. */
export function overridesSecret(rendering: Rendering, overrides: Record<string, unknown>): Manifest {
  return {
    kind: "Secret",
    apiVersion: "v1",
    metadata: metadata(rendering, OVERRIDES_SECRET),
    data: { [OVERRIDES_SECRET]: base64(toYaml(sortKeys(overrides))) },
  };
}

/** The part of `values` that is not as in `defaults`: what has to be remembered. */
export function differences(values: object, defaults: object): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(values)) {
    const usual = (defaults as Record<string, unknown>)[key];
    if (isMap(value) && isMap(usual)) {
      const inner = differences(value, usual);
      if (Object.keys(inner).length > 0) kept[key] = inner;
    } else if (JSON.stringify(sortKeys(value)) !== JSON.stringify(sortKeys(usual))) kept[key] = value;
  }
  return kept;
}

function isMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
