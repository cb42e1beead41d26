/**
 * The objects of the Kubernetes API as types, and the names under which the API serves them.
 * Pure data: no client, no defaults, no validation. The custom resources are listed, their meaning is the control plane's.
 *
 * Reading order: object.ts (what every object has), resource-type.ts (naming a kind, building its path), builtin.ts and
 * builtin-resources.ts (Kubernetes' own kinds), mesh.ts, gateway.ts and mesh-resources.ts (custom resources), selector.ts.
 */
export * from "./builtin.ts";
export * from "./builtin-resources.ts";
export * from "./gateway.ts";
export * from "./label-expression.ts";
export * from "./mesh.ts";
export * from "./mesh-resources.ts";
export * from "./object.ts";
export * from "./resource-type.ts";
export * from "./selector.ts";
