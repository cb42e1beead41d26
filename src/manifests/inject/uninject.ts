import { LABELS } from "#contracts/labels";
import type { Container, PodSpec, Volume } from "#kube/types";
import { type Manifest, type Meta, readWorkload } from "./workload.ts";

export interface Uninjected {
  /** A copy without the mesh; the input is left as it was. */
  readonly object: Manifest;
  /** False when there was nothing to take out. */
  readonly hasChanged: boolean;
}

const PROXY_CONTAINERS = new Set(["linkerd-proxy", "linkerd-init", "linkerd-network-validator", "linkerd-debug"]);
const PROXY_VOLUMES = new Set([
  "linkerd-identity-end-entity",
  "linkerd-proxy-init-xtables-lock",
  "linkerd-identity-token",
  "linkerd-podinfo",
]);

/**
 * Takes out what injection put in: containers, volumes, and metadata under `linkerd.io`. What a user wrote stays:
 * `config.linkerd.io` settings and `linkerd.io/inject: disabled`. The mesh's own pods keep their metadata.
 */
export function uninject(object: Manifest): Uninjected {
  const copy = structuredClone(object);
  const workload = readWorkload(copy);
  if (!workload) return { object: copy, hasChanged: false };
  const { template } = workload;
  const isOurs = template?.metadata.labels?.[LABELS.controlPlaneComponent] !== undefined;
  let hasChanged = false;
  if (!isOurs) {
    hasChanged = cleanMetadata(workload.metadata) || hasChanged;
    if (template) hasChanged = cleanMetadata(template.metadata) || hasChanged;
  }
  if (template) hasChanged = cleanSpec(template.spec) || hasChanged;
  return { object: copy, hasChanged };
}

function cleanMetadata(metadata: Meta): boolean {
  const isOurs = (key: string): boolean => key.startsWith("linkerd.io");
  const annotations = drop(
    metadata.annotations,
    (key, value) => isOurs(key) && !(key === "linkerd.io/inject" && value === "disabled"),
  );
  const labels = drop(metadata.labels, isOurs);
  return annotations || labels;
}

/** Deletes entries in place; whether one was deleted. */
function drop(map: Record<string, string> | undefined, isUnwanted: (key: string, value: string) => boolean): boolean {
  let hasDropped = false;
  for (const [key, value] of Object.entries(map ?? {})) {
    if (!isUnwanted(key, value)) continue;
    delete map?.[key];
    hasDropped = true;
  }
  return hasDropped;
}

function cleanSpec(spec: PodSpec): boolean {
  const isUsers = ({ name }: Container): boolean => !PROXY_CONTAINERS.has(name);
  const before = count(spec);
  spec.containers = (spec.containers ?? []).filter(isUsers);
  if (spec.initContainers) spec.initContainers = spec.initContainers.filter(isUsers);
  if (spec.initContainers?.length === 0) delete spec.initContainers;
  if (spec.volumes) spec.volumes = spec.volumes.filter(({ name }: Volume) => !PROXY_VOLUMES.has(name));
  if (spec.volumes?.length === 0) delete spec.volumes;
  return count(spec) !== before;
}

function count(spec: PodSpec): number {
  return (spec.containers?.length ?? 0) + (spec.initContainers?.length ?? 0) + (spec.volumes?.length ?? 0);
}
