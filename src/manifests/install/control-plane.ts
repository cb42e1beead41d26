import { VERSION } from "#contracts/version";
import { defaultValues, type Values } from "../values.ts";
import { configObjects, differences, overridesSecret } from "./config.ts";
import { destinationObjects, destinationRbac } from "./destination.ts";
import { identityObjects, identityRbac } from "./identity.ts";
import { namespaceObject } from "./namespace.ts";
import type { Manifest, Rendering } from "./object.ts";
import { proxyInjectorObjects, proxyInjectorRbac } from "./proxy-injector.ts";

export interface ControlPlaneOptions {
  /** Where the control plane lives; `linkerd` unless said otherwise. */
  readonly namespace?: string;
  /** Value of `linkerd.io/created-by`. */
  readonly createdBy?: string;
  /** What `upgrade` is to remember; by default all that differs from the defaults. */
  readonly overrides?: Record<string, unknown>;
}

/**
 * Every object of the control plane, in the order in which it may be applied: the namespace, what the programs may do,
 * what they read, the programs. The same values give the same bytes. Certificates are part of the values; none is made here.
 * There is no heartbeat: this control plane reports to nobody.
 */
export function controlPlaneObjects(values: Values, options: ControlPlaneOptions = {}): Manifest[] {
  const { namespace = "linkerd", createdBy = `linkerd/cli ${VERSION}` } = options;
  const overrides = options.overrides ?? differences(values, defaultValues());
  const rendering: Rendering = { values, namespace, createdBy };
  return [
    namespaceObject(rendering),
    ...identityRbac(rendering),
    ...destinationRbac(rendering),
    ...proxyInjectorRbac(rendering),
    ...configObjects(rendering),
    ...identityObjects(rendering),
    ...destinationObjects(rendering),
    ...proxyInjectorObjects(rendering),
    overridesSecret(rendering, overrides),
  ];
}
