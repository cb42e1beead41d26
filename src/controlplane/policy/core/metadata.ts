import type { Metadata } from "#proto/meta";

/** Something that no object of the cluster says: a default of this controller. */
export function defaultMetadata(name: string): Metadata {
  return { kind: { $case: "default", value: name } };
}

/** An object of the cluster. */
export interface ResourceRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly port?: number;
}

export function resourceMetadata({ group, kind, name, namespace, port = 0 }: ResourceRef): Metadata {
  return { kind: { $case: "resource", value: { group, kind, name, namespace, section: "", port } } };
}

export const POLICY_GROUP = "policy.linkerd.io";
export const GATEWAY_GROUP = "gateway.networking.k8s.io";
