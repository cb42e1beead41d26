import type { Metadata } from "#proto/meta";

/** Names of an object as inbound labels carry them. */
export interface MetaLabels {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
}

/** An object that policy refers to, with all that metrics and messages say of it. */
export interface MetaRef extends MetaLabels {
  readonly namespace: string;
  readonly section: string;
  /** 0 is none. */
  readonly port: number;
}

/** Reads a reference; a synthesized object has the kind `default`. Undefined when it names nothing. */
export function readMetadata(metadata: Metadata | undefined): MetaRef | undefined {
  const kind = metadata?.kind;
  if (!kind) return undefined;
  if (kind.$case === "default") return defaultRef(kind.value);
  const { group, kind: kindName, name, namespace, section, port } = kind.value;
  return { group, kind: kindName, name, namespace, section, port };
}

export function defaultRef(name: string): MetaRef {
  return { group: "", kind: "default", name, namespace: "", section: "", port: 0 };
}

/** `default.http` or `Service.shop.web:80`, as in error texts. */
export function describeRef(ref: MetaRef): string {
  if (ref.kind === "default") return `default.${ref.name}`;
  return `${ref.kind}.${ref.namespace}.${ref.name}${ref.port ? `:${ref.port}` : ""}`;
}

/** `parent_group="…"` and so on: the six labels of a parent or backend. */
export function refLabels(prefix: "parent" | "backend", ref: MetaRef): Record<string, string> {
  return {
    [`${prefix}_group`]: ref.group,
    [`${prefix}_kind`]: ref.kind,
    [`${prefix}_namespace`]: ref.namespace,
    [`${prefix}_name`]: ref.name,
    [`${prefix}_port`]: ref.port ? String(ref.port) : "",
    [`${prefix}_section_name`]: ref.section,
  };
}

/** The four labels of a route. */
export function routeLabels(ref: MetaRef): Record<string, string> {
  return { route_group: ref.group, route_kind: ref.kind, route_namespace: ref.namespace, route_name: ref.name };
}
