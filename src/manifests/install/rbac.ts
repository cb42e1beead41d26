import { type Manifest, metadata, type Rendering } from "./object.ts";

const RBAC = "rbac.authorization.k8s.io";

export interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
  resourceNames?: string[];
}

const READ = ["list", "get", "watch"];

/** Lets reading and following of `resources` in one API group. */
export function reads(group: string, ...resources: string[]): Rule {
  return allows(group, resources, ...READ);
}

/** Lets `verbs` on `resources` in one API group. */
export function allows(group: string, resources: string[], ...verbs: string[]): Rule {
  return { apiGroups: [group], resources, verbs };
}

export function clusterRole(rendering: Rendering, name: string, component: string, rules: Rule[]): Manifest {
  return {
    kind: "ClusterRole",
    apiVersion: `${RBAC}/v1`,
    metadata: metadata(rendering, name, { component, namespaced: false }),
    rules,
  };
}

export function role(rendering: Rendering, name: string, component: string | undefined, rules: Rule[]): Manifest {
  return {
    kind: "Role",
    apiVersion: `${RBAC}/v1`,
    metadata: metadata(rendering, name, component ? { component } : {}),
    rules,
  };
}

interface Binding {
  readonly name: string;
  readonly component?: string;
  readonly role: string;
  readonly subjects: readonly { name: string; namespace: string }[];
}

export function clusterRoleBinding(rendering: Rendering, binding: Binding): Manifest {
  return bind(rendering, "ClusterRole", binding);
}

export function roleBinding(rendering: Rendering, binding: Binding): Manifest {
  return bind(rendering, "Role", binding);
}

function bind(rendering: Rendering, kind: "Role" | "ClusterRole", binding: Binding): Manifest {
  const { component } = binding;
  return {
    kind: `${kind}Binding`,
    apiVersion: `${RBAC}/v1`,
    metadata: metadata(rendering, binding.name, {
      namespaced: kind === "Role",
      ...(component ? { component } : {}),
    }),
    roleRef: { apiGroup: RBAC, kind, name: binding.role },
    subjects: binding.subjects.map((subject) => ({ kind: "ServiceAccount", ...subject })),
  };
}

export function serviceAccount(rendering: Rendering, name: string, component: string): Manifest {
  const { imagePullSecrets } = rendering.values;
  return {
    kind: "ServiceAccount",
    apiVersion: "v1",
    metadata: metadata(rendering, name, { component }),
    ...(imagePullSecrets.length > 0 ? { imagePullSecrets } : {}),
  };
}

/** A ClusterRole `linkerd-<namespace>-<component>`, its binding, and the ServiceAccount `linkerd-<component>` it is for. */
export function accountWithClusterRole(rendering: Rendering, component: string, rules: Rule[]): Manifest[] {
  const name = `linkerd-${rendering.namespace}-${component}`;
  const account = `linkerd-${component}`;
  return [
    clusterRole(rendering, name, component, rules),
    clusterRoleBinding(rendering, {
      name,
      component,
      role: name,
      subjects: [{ name: account, namespace: rendering.namespace }],
    }),
    serviceAccount(rendering, account, component),
  ];
}
