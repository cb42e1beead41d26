import { isObject } from "../store/object.ts";
import { apiVersionOf } from "../store/resources.ts";
import { StatusError } from "../store/status.ts";
import type { Access, PolicyRule } from "./authorize.ts";
import type { ResourceCall } from "./call.ts";
import { sendJson } from "./respond.ts";
import { ISSUER } from "./tokens.ts";
import { MASTERS, type User } from "./users.ts";

type Fields = Record<string, unknown>;

/** POST of a review: answered at once, kept nowhere. */
export function review(call: ResourceCall, body: unknown): void {
  const { type } = call;
  const spec = isObject(body) && isObject(body["spec"]) ? body["spec"] : {};
  const status = answer(call, type.kind, spec);
  const metadata = isObject(body) && isObject(body["metadata"]) ? body["metadata"] : {};
  sendJson(call, 201, {
    kind: type.kind,
    apiVersion: apiVersionOf(type),
    metadata: { creationTimestamp: null, ...metadata },
    spec,
    status,
  });
}

function answer(call: ResourceCall, kind: string, spec: Fields): unknown {
  switch (kind) {
    case "TokenReview":
      return tokenStatus(call, spec);
    case "SelfSubjectReview":
      return { userInfo: userInfo(call.user) };
    case "SelfSubjectAccessReview":
      return accessStatus(call, call.user, spec);
    case "SubjectAccessReview":
    case "LocalSubjectAccessReview":
      return accessStatus(call, subjectOf(spec), spec);
    case "SelfSubjectRulesReview":
      return rulesStatus(call, String(spec["namespace"] ?? ""));
    default:
      throw new StatusError("InternalError", `Cannot answer a ${kind}`);
  }
}

/** Good tokens answer with their user and those of the asked audiences that they were made for. */
function tokenStatus(call: ResourceCall, spec: Fields): Fields {
  const asked =
    Array.isArray(spec["audiences"]) && spec["audiences"].length > 0 ? (spec["audiences"] as string[]) : [ISSUER];
  const holder = call.parts.tokens.verify(String(spec["token"] ?? ""));
  if (!holder) return { authenticated: false, user: {}, error: "invalid bearer token" };
  const audiences = asked.filter((audience) => holder.audiences.includes(audience));
  if (audiences.length === 0)
    return {
      authenticated: false,
      user: {},
      error: `token audiences ${JSON.stringify(holder.audiences)} is invalid for the target audiences ${JSON.stringify(asked)}`,
    };
  return { authenticated: true, user: userInfo(holder.user), audiences };
}

/** A user as reviews and webhooks write it. */
export function userInfo(user: User): Fields {
  return {
    username: user.name,
    ...(user.uid ? { uid: user.uid } : {}),
    groups: user.groups,
    ...(user.extra ? { extra: user.extra } : {}),
  };
}

function subjectOf(spec: Fields): User {
  const groups = Array.isArray(spec["groups"]) ? (spec["groups"] as string[]) : [];
  const name = String(spec["user"] ?? "");
  if (name === "" && groups.length === 0)
    throw StatusError.invalid("SubjectAccessReview", "authorization.k8s.io", "", [
      {
        reason: "FieldValueInvalid",
        field: "spec.user",
        message: 'Invalid value: "": at least one of user or group must be specified',
      },
    ]);
  return { name, groups };
}

function accessStatus(call: ResourceCall, user: User, spec: Fields): Fields {
  const access = accessOf(call, spec);
  const allowed = call.parts.authorizer.isAllowed(user, access);
  return { allowed, ...(allowed ? { reason: "RBAC: allowed by a role of the subject" } : {}) };
}

function accessOf(call: ResourceCall, spec: Fields): Access {
  const resource = spec["resourceAttributes"];
  const path = spec["nonResourceAttributes"];
  if (isObject(path)) return { verb: String(path["verb"] ?? ""), path: String(path["path"] ?? "") };
  if (!isObject(resource))
    throw StatusError.invalid(call.type.kind, "authorization.k8s.io", "", [
      {
        reason: "FieldValueInvalid",
        field: "spec.resourceAttributes",
        message: "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
      },
    ]);
  const text = (field: string) => String(resource[field] ?? "");
  return {
    verb: text("verb"),
    group: text("group"),
    resource: text("resource"),
    subresource: text("subresource"),
    name: text("name"),
    ...(text("namespace") ? { namespace: text("namespace") } : {}),
  };
}

function rulesStatus(call: ResourceCall, namespace: string): Fields {
  const { user, parts } = call;
  const all: PolicyRule[] = user.groups.includes(MASTERS)
    ? [
        { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
        { verbs: ["*"], nonResourceURLs: ["*"] },
      ]
    : parts.authorizer.rulesFor(user, namespace || "default");
  return {
    resourceRules: all
      .filter((rule) => rule.resources?.length)
      .map(({ verbs, apiGroups, resources, resourceNames }) => ({ verbs, apiGroups, resources, resourceNames })),
    nonResourceRules: all
      .filter((rule) => rule.nonResourceURLs?.length)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: false,
  };
}
