import { type LabelSelector, selectorMatches } from "#kube/types";
import type { KubeObject } from "../store/object.ts";
import { StatusError } from "../store/status.ts";
import type { Store } from "../store/store.ts";
import { MASTERS, type User } from "./users.ts";

const RBAC = "rbac.authorization.k8s.io";

export interface PolicyRule {
  verbs?: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

/** What is asked for: a resource, or a bare path. */
export interface Access {
  readonly verb: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly path?: string;
}

interface Subject {
  kind?: string;
  name?: string;
  namespace?: string;
}

/** Role-based access control over the roles and bindings of the store. What no rule allows is refused. */
export class Authorizer {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  isAllowed(user: User, access: Access): boolean {
    if (user.groups.includes(MASTERS)) return true;
    return this.rulesFor(user, access.namespace).some((rule) => covers(rule, access));
  }

  /** Throws Forbidden in kube-apiserver's words. */
  require(user: User, access: Access): void {
    if (this.isAllowed(user, access)) return;
    if (access.path !== undefined)
      throw new StatusError(
        "Forbidden",
        `forbidden: User "${user.name}" cannot ${access.verb} path "${access.path}"`,
        {},
      );
    const resource = access.subresource ? `${access.resource}/${access.subresource}` : access.resource!;
    const where = access.namespace ? `in the namespace "${access.namespace}"` : "at the cluster scope";
    const key = access.group ? `${access.resource}.${access.group}` : access.resource!;
    throw StatusError.forbidden(
      key,
      access.name ?? "",
      `User "${user.name}" cannot ${access.verb} resource "${resource}" in API group "${access.group ?? ""}" ${where}`,
    );
  }

  /** All rules a user has at the cluster scope and, when given, in a namespace. */
  rulesFor(user: User, namespace: string | undefined): PolicyRule[] {
    const rules: PolicyRule[] = [];
    for (const binding of this.#store.list(`clusterrolebindings.${RBAC}`))
      if (isBound(binding, user)) rules.push(...this.#rulesOf(binding, undefined));
    if (namespace === undefined) return rules;
    for (const binding of this.#store.list(`rolebindings.${RBAC}`, namespace))
      if (isBound(binding, user)) rules.push(...this.#rulesOf(binding, namespace));
    return rules;
  }

  #rulesOf(binding: KubeObject, namespace: string | undefined): PolicyRule[] {
    const ref = binding["roleRef"] as { kind?: string; name?: string };
    if (ref.kind === "Role") {
      const role = namespace && this.#store.get(`roles.${RBAC}`, namespace, ref.name ?? "");
      return role ? ((role["rules"] ?? []) as PolicyRule[]) : [];
    }
    const role = this.#store.get(`clusterroles.${RBAC}`, undefined, ref.name ?? "");
    return role ? this.#clusterRules(role) : [];
  }

  /** A role's own rules and those of all roles it aggregates. */
  #clusterRules(role: KubeObject): PolicyRule[] {
    const own = (role["rules"] ?? []) as PolicyRule[];
    const selectors = (role["aggregationRule"] as { clusterRoleSelectors?: LabelSelector[] } | undefined)
      ?.clusterRoleSelectors;
    if (!selectors) return own;
    const parts = this.#store
      .list(`clusterroles.${RBAC}`)
      .filter(
        (other) => other !== role && selectors.some((selector) => selectorMatches(selector, other.metadata.labels)),
      );
    return [
      ...own,
      ...parts.flatMap((part) =>
        part["aggregationRule"] ? this.#clusterRulesOnce(part) : ((part["rules"] ?? []) as PolicyRule[]),
      ),
    ];
  }

  /** One more level only (admin aggregates edit aggregates view), so that circles end. */
  #clusterRulesOnce(role: KubeObject): PolicyRule[] {
    const selectors =
      (role["aggregationRule"] as { clusterRoleSelectors?: LabelSelector[] }).clusterRoleSelectors ?? [];
    const parts = this.#store
      .list(`clusterroles.${RBAC}`)
      .filter((other) => selectors.some((selector) => selectorMatches(selector, other.metadata.labels)));
    return [role, ...parts].flatMap((part) => (part["rules"] ?? []) as PolicyRule[]);
  }
}

function isBound(binding: KubeObject, user: User): boolean {
  return ((binding["subjects"] ?? []) as Subject[]).some((subject) => {
    if (subject.kind === "User") return subject.name === user.name;
    if (subject.kind === "Group") return user.groups.includes(subject.name ?? "");
    if (subject.kind !== "ServiceAccount") return false;
    const namespace = subject.namespace ?? binding.metadata.namespace ?? "";
    return user.name === `system:serviceaccount:${namespace}:${subject.name}`;
  });
}

function covers(rule: PolicyRule, access: Access): boolean {
  if (!has(rule.verbs, access.verb)) return false;
  if (access.path !== undefined) return (rule.nonResourceURLs ?? []).some((url) => coversPath(url, access.path!));
  if (!has(rule.apiGroups, access.group ?? "") || !coversResource(rule, access)) return false;
  const names = rule.resourceNames ?? [];
  return names.length === 0 || (access.name !== undefined && access.name !== "" && names.includes(access.name));
}

function coversResource(rule: PolicyRule, access: Access): boolean {
  const wanted = access.subresource ? `${access.resource}/${access.subresource}` : access.resource!;
  return (rule.resources ?? []).some(
    (resource) =>
      resource === "*" ||
      resource === wanted ||
      (access.subresource !== undefined && access.subresource !== "" && resource === `*/${access.subresource}`),
  );
}

function coversPath(url: string, path: string): boolean {
  return url === "*" || url === path || (url.endsWith("*") && path.startsWith(url.slice(0, -1)));
}

function has(list: readonly string[] | undefined, wanted: string): boolean {
  return list?.some((entry) => entry === "*" || entry === wanted) ?? false;
}
