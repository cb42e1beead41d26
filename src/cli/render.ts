import {
  controlPlaneObjects,
  type DeepPartial,
  defaultValues,
  differences,
  type Manifest,
  mergeValues,
  type Values,
} from "#manifests/install";
import type { CliContext } from "./context.ts";
import { webhookCredentials } from "./credentials.ts";
import type { InstallFlags } from "./install-flags.ts";
import { proxyOverrides } from "./proxy-flags.ts";
import { layered } from "./values-layers.ts";

/** The typed flags as values to lay over the others; flags that were not typed change nothing. */
export function flagOverrides(flags: InstallFlags, base: Values, registry: string | undefined): DeepPartial<Values> {
  const set = <T>(value: T | undefined, build: (value: T) => DeepPartial<Values>) =>
    value === undefined ? {} : build(value);
  const parts: DeepPartial<Values>[] = [
    set(flags.clusterDomain, (clusterDomain) => ({ clusterDomain })),
    set(flags.identityTrustDomain, (identityTrustDomain) => ({ identityTrustDomain })),
    flags.identityExternalIssuer ? { identity: { issuer: { scheme: "kubernetes.io/tls" } } } : {},
    flags.identityExternalCa ? { identity: { externalCA: true } } : {},
    set(flags.linkerdCniEnabled, (cniEnabled) => ({ cniEnabled })),
    set(flags.controllerLogLevel, (controllerLogLevel) => ({ controllerLogLevel })),
    set(flags.controllerReplicas, (controllerReplicas) => ({ controllerReplicas })),
    set(flags.controllerUid, (controllerUID) => ({ controllerUID })),
    set(flags.controllerGid, (controllerGID) => ({ controllerGID })),
    flags.disableH2Upgrade ? { enableH2Upgrade: false } : {},
    set(flags.identityIssuanceLifetime, (issuanceLifetime) => ({ identity: { issuer: { issuanceLifetime } } })),
    set(flags.identityClockSkewAllowance, (clockSkewAllowance) => ({ identity: { issuer: { clockSkewAllowance } } })),
    proxyOverrides(flags, base, registry),
    set(flags.enableEndpointSlices, (enableEndpointSlices) => ({ enableEndpointSlices })),
  ];
  return parts.reduce<Record<string, unknown>>(
    (all, part) => mergeValues(all, part as never),
    {},
  ) as DeepPartial<Values>;
}

/** The objects for these values; webhook certificates are made anew each time and not remembered. */
export async function renderControlPlane(values: Values, context: CliContext): Promise<Manifest[]> {
  const namespace = context.linkerdNamespace;
  const webhooks = await webhookCredentials(values, namespace, context.io.clock.wallMs());
  const overrides = differences(values, defaultValues());
  return controlPlaneObjects(layered(values, webhooks), { namespace, overrides });
}
