import { GATEWAY_GROUP, POLICY_GROUP } from "../core/metadata.ts";
import { POLICY_KIND_CHECKS } from "./policy-kinds.ts";
import { isMap, Problems } from "./problems.ts";
import { checkRoute, type RouteInput } from "./route-kinds.ts";

/** An object that somebody wants to store, untrusted in every field. */
export interface Candidate {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly object: Readonly<Record<string, unknown>>;
}

const ROUTE_KINDS = new Set(["httproute", "grpcroute", "tlsroute", "tcproute"]);

/** What is wrong with an object; empty when it may be stored. A Gateway API object without a spec may be somebody else's. */
export function validate(candidate: Candidate): readonly string[] {
  const group = candidate.group.toLowerCase();
  const kind = candidate.kind.toLowerCase();
  const { spec } = candidate.object;
  const problems = new Problems();
  const isRoute =
    ROUTE_KINDS.has(kind) && (group === GATEWAY_GROUP || (group === POLICY_GROUP && kind === "httproute"));
  const check =
    group === POLICY_GROUP && Object.hasOwn(POLICY_KIND_CHECKS, kind) ? POLICY_KIND_CHECKS[kind] : undefined;
  if (!isRoute && !check) return [`Unknown kind ${candidate.kind} of group "${candidate.group}"`];
  if (!isMap(spec)) {
    if (group === GATEWAY_GROUP) return [];
    problems.add("spec", spec, "a map");
  } else if (isRoute) {
    const input = { kind: kind as RouteInput["kind"], isGatewayApi: group === GATEWAY_GROUP, spec };
    checkRoute(problems, { ...input, annotations: annotationsOf(candidate.object) });
  } else {
    check?.(problems, spec, candidate.namespace);
  }
  return problems.messages;
}

function annotationsOf({ metadata }: Candidate["object"]): Record<string, string> {
  const annotations = isMap(metadata) ? metadata["annotations"] : undefined;
  return isMap(annotations) ? (annotations as Record<string, string>) : {};
}
