/** One served resource type in one version. */
export interface ResourceType {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Lower-case plural, as in paths. */
  readonly resource: string;
  readonly singular: string;
  readonly isNamespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  /** `status`, `scale`, `log`, …: what follows the name in a path. */
  readonly subresources: readonly string[];
  /** Reviews are answered, never kept: they have only `create`. */
  readonly verbs: readonly string[];
  /** True when spec and status are written apart. */
  readonly hasStatus: boolean;
  /** True for types that come from a CustomResourceDefinition. */
  readonly isCustom: boolean;
}

/** Store table and RBAC-style name of a type: `pods`, `deployments.apps`. */
export function storageKey(type: Pick<ResourceType, "group" | "resource">): string {
  return type.group ? `${type.resource}.${type.group}` : type.resource;
}

/** `v1`, `apps/v1`. */
export function apiVersionOf(type: Pick<ResourceType, "group" | "version">): string {
  return type.group ? `${type.group}/${type.version}` : type.version;
}

/**
 * Every type that is served now. Built-ins are there from the start; types of CustomResourceDefinitions come and go.
 * Versions of a group are kept in Kubernetes' order: GA, beta, alpha, then the higher number first.
 */
export class ResourceRegistry {
  #types: ResourceType[];

  constructor(builtins: readonly ResourceType[]) {
    this.#types = [...builtins];
  }

  all(): readonly ResourceType[] {
    return this.#types;
  }

  /** The type behind `/apis/{group}/{version}/{resource}`. */
  find(group: string, version: string, resource: string): ResourceType | undefined {
    return this.#types.find((t) => t.group === group && t.version === version && t.resource === resource);
  }

  /** The preferred version of a stored table (`pods`, `deployments.apps`). */
  byKey(key: string): ResourceType | undefined {
    return this.#sorted(this.#types.filter((type) => storageKey(type) === key))[0];
  }

  byKind(apiVersion: string, kind: string): ResourceType | undefined {
    return this.#types.find((type) => apiVersionOf(type) === apiVersion && type.kind === kind);
  }

  /** Named groups in alphabetical order, without the core group "". */
  groups(): string[] {
    return [...new Set(this.#types.map((type) => type.group))].filter((group) => group !== "").sort();
  }

  /** Versions of one group, preferred first. */
  versions(group: string): string[] {
    const versions = new Set(this.#types.filter((type) => type.group === group).map((type) => type.version));
    return [...versions].sort(compareVersions);
  }

  /** Replaces all custom types of one table (a CRD's name is its table's key). */
  setCustom(key: string, types: readonly ResourceType[]): void {
    this.#types = this.#types.filter((type) => !(type.isCustom && storageKey(type) === key)).concat(types);
  }

  #sorted(types: ResourceType[]): ResourceType[] {
    return types.sort((a, b) => compareVersions(a.version, b.version));
  }
}

/** Kubernetes' order of versions, most stable first: v2, v1, v1beta2, v1beta1, v1alpha1, then the rest by name. */
export function compareVersions(a: string, b: string): number {
  const left = versionRank(a);
  const right = versionRank(b);
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return right[i]! - left[i]!;
  return a < b ? -1 : a > b ? 1 : 0;
}

function versionRank(version: string): number[] {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (!match) return [0, 0, 0];
  const stage = match[2] === "alpha" ? 1 : match[2] === "beta" ? 2 : 3;
  return [stage, Number(match[1]), Number(match[3] ?? 0)];
}
