import { VERSION } from "#contracts/version";
import type { Manifest } from "../object.ts";
import type { CrdOptions } from "./definition.ts";
import { externalWorkload } from "./external-workload.ts";
import { gatewayDefinitions } from "./gateway.ts";
import { policyHttpRoute } from "./http-route.ts";
import { policyDefinitions } from "./policy.ts";
import { serviceProfile } from "./service-profile.ts";

export interface CrdRendering {
  readonly namespace?: string;
  readonly createdBy?: string;
  /** Render the Gateway API's route kinds too. */
  readonly gatewayApi?: boolean;
}

/** The custom resource definitions that must exist before the control plane, in the chart's order. */
export function crdObjects(rendering: CrdRendering = {}): Manifest[] {
  const { namespace = "linkerd", createdBy = `linkerd/cli ${VERSION}`, gatewayApi = false } = rendering;
  const options: CrdOptions = { namespace, createdBy };
  const policy = policyDefinitions(options);
  return [
    policy["authorizationPolicy"]!,
    policy["egressNetwork"]!,
    policy["httpLocalRateLimitPolicy"]!,
    policyHttpRoute(options),
    policy["meshTlsAuthentication"]!,
    policy["networkAuthentication"]!,
    policy["serverAuthorization"]!,
    policy["server"]!,
    serviceProfile(options),
    ...(gatewayApi ? gatewayDefinitions(options) : []),
    externalWorkload(options),
  ];
}

/** Names of the definitions that the control plane cannot run without. */
export function requiredCrdNames(): string[] {
  return crdObjects().map((crd) => crd.metadata.name);
}
