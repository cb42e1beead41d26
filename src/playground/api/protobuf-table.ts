/** One field of a message: its JSON name and how it is written. */
export interface FieldSpec {
  readonly name: string;
  readonly type: /** Known and left out: the server sets it. */
    | "ignored"
    | "string"
    | "int"
    | "bool"
    | "bytes"
    | "base64"
    | "time"
    | "quantity"
    | "int-or-string"
    | "string-map"
    | "base64-map"
    | "quantity-map"
    | "list-map"
    | MessageSpec;
  readonly isList?: boolean;
  readonly isMap?: boolean;
  readonly keepsEmpty?: boolean;
  readonly dropsZero?: boolean;
}
export interface MessageSpec {
  readonly [tag: number]: FieldSpec;
}

const text = (name: string): FieldSpec => ({ name, type: "string" });
const texts = (name: string): FieldSpec => ({ name, type: "string", isList: true });
const int = (name: string): FieldSpec => ({ name, type: "int" });
const optionalInt = (name: string): FieldSpec => ({ name, type: "int", dropsZero: true });
const bool = (name: string): FieldSpec => ({ name, type: "bool" });
const time = (name: string): FieldSpec => ({ name, type: "time" });
const map = (name: string): FieldSpec => ({ name, type: "string-map", isMap: true });
const one = (name: string, type: MessageSpec): FieldSpec => ({ name, type });
const many = (name: string, type: MessageSpec): FieldSpec => ({ name, type, isList: true });

const ignored: FieldSpec = { name: "", type: "ignored" };

const META: MessageSpec = {
  1: text("name"),
  2: text("generateName"),
  3: text("namespace"),
  4: ignored, // selfLink
  5: text("uid"),
  6: text("resourceVersion"),
  7: optionalInt("generation"),
  8: time("creationTimestamp"),
  9: ignored, // deletionTimestamp
  10: ignored, // deletionGracePeriodSeconds
  11: map("labels"),
  12: map("annotations"),
  13: many("ownerReferences", {
    1: text("kind"),
    3: text("name"),
    4: text("uid"),
    5: text("apiVersion"),
    6: bool("controller"),
    7: bool("blockOwnerDeletion"),
  }),
  14: texts("finalizers"),
  17: ignored, // managedFields
};

const SELECTOR: MessageSpec = {
  1: map("matchLabels"),
  2: many("matchExpressions", { 1: text("key"), 2: text("operator"), 3: texts("values") }),
};

const CONTAINER: MessageSpec = {
  1: text("name"),
  2: text("image"),
  3: texts("command"),
  4: texts("args"),
  5: text("workingDir"),
  6: many("ports", {
    1: text("name"),
    2: optionalInt("hostPort"),
    3: int("containerPort"),
    4: text("protocol"),
    5: text("hostIP"),
  }),
  7: many("env", { 1: text("name"), 2: text("value") }),
  8: one("resources", {
    1: { name: "limits", type: "quantity-map", isMap: true },
    2: { name: "requests", type: "quantity-map", isMap: true },
  }),
  13: text("terminationMessagePath"),
  14: text("imagePullPolicy"),
  16: bool("stdin"),
  17: bool("stdinOnce"),
  18: bool("tty"),
};

const POD_SPEC: MessageSpec = {
  2: many("containers", CONTAINER),
  3: text("restartPolicy"),
  4: int("terminationGracePeriodSeconds"),
  6: text("dnsPolicy"),
  7: map("nodeSelector"),
  8: text("serviceAccountName"),
  10: text("nodeName"),
  20: many("initContainers", CONTAINER),
  21: bool("automountServiceAccountToken"),
};
const TEMPLATE: MessageSpec = { 1: one("metadata", META), 2: one("spec", POD_SPEC) };

const RULES = many("rules", {
  1: texts("verbs"),
  2: texts("apiGroups"),
  3: texts("resources"),
  4: texts("resourceNames"),
  5: texts("nonResourceURLs"),
});
const BINDING: MessageSpec = {
  1: one("metadata", META),
  2: many("subjects", { 1: text("kind"), 2: text("apiGroup"), 3: text("name"), 4: text("namespace") }),
  3: one("roleRef", { 1: text("apiGroup"), 2: text("kind"), 3: text("name") }),
};

const RESOURCE_ATTRIBUTES: MessageSpec = {
  1: text("namespace"),
  2: text("verb"),
  3: text("group"),
  4: text("version"),
  5: text("resource"),
  6: text("subresource"),
  7: text("name"),
};
const ACCESS: MessageSpec = {
  1: one("resourceAttributes", RESOURCE_ATTRIBUTES),
  2: one("nonResourceAttributes", { 1: text("path"), 2: text("verb") }),
};
const JOB_SPEC: MessageSpec = {
  1: int("parallelism"),
  2: int("completions"),
  3: int("activeDeadlineSeconds"),
  4: one("selector", SELECTOR),
  6: one("template", TEMPLATE),
  7: int("backoffLimit"),
  8: int("ttlSecondsAfterFinished"),
};
const DELETE_OPTIONS: MessageSpec = {
  1: int("gracePeriodSeconds"),
  2: one("preconditions", { 1: text("uid"), 2: text("resourceVersion") }),
  3: bool("orphanDependents"),
  4: text("propagationPolicy"),
  5: texts("dryRun"),
};

const object = (rest: MessageSpec): MessageSpec => ({ 1: one("metadata", META), ...rest });
const withSpec = (spec: MessageSpec): MessageSpec => object({ 2: one("spec", spec), 3: ignored /* status */ });
const SUBJECT_ACCESS: MessageSpec = {
  ...ACCESS,
  3: text("user"),
  4: texts("groups"),
  5: { name: "extra", type: "list-map", isMap: true },
  6: text("uid"),
};

/** Message layouts by kind, from the published .proto files; enough for what kubectl and Helm send as protobuf. */
export const KINDS: Record<string, MessageSpec> = {
  Namespace: withSpec({ 1: texts("finalizers") }),
  ConfigMap: object({
    2: map("data"),
    3: { name: "binaryData", type: "base64-map", isMap: true },
    4: bool("immutable"),
  }),
  Secret: object({
    2: { name: "data", type: "base64-map", isMap: true },
    3: text("type"),
    4: map("stringData"),
    5: bool("immutable"),
  }),
  ServiceAccount: object({ 3: many("imagePullSecrets", { 1: text("name") }), 4: bool("automountServiceAccountToken") }),
  Pod: withSpec(POD_SPEC),
  Deployment: withSpec({
    1: int("replicas"),
    2: one("selector", SELECTOR),
    3: one("template", TEMPLATE),
    4: one("strategy", { 1: text("type") }),
    5: optionalInt("minReadySeconds"),
    6: int("revisionHistoryLimit"),
  }),
  Job: withSpec(JOB_SPEC),
  CronJob: withSpec({
    1: text("schedule"),
    2: int("startingDeadlineSeconds"),
    3: text("concurrencyPolicy"),
    4: bool("suspend"),
    5: one("jobTemplate", { 1: one("metadata", META), 2: one("spec", JOB_SPEC) }),
  }),
  Service: withSpec({
    1: many("ports", {
      1: text("name"),
      2: text("protocol"),
      3: int("port"),
      4: { name: "targetPort", type: "int-or-string" },
      5: optionalInt("nodePort"),
    }),
    2: map("selector"),
    3: text("clusterIP"),
    4: text("type"),
    10: text("externalName"),
  }),
  Role: object({ 2: RULES }),
  ClusterRole: object({ 2: RULES, 3: one("aggregationRule", { 1: many("clusterRoleSelectors", SELECTOR) }) }),
  RoleBinding: BINDING,
  ClusterRoleBinding: BINDING,
  PodDisruptionBudget: withSpec({
    1: { name: "minAvailable", type: "int-or-string" },
    2: one("selector", SELECTOR),
    3: { name: "maxUnavailable", type: "int-or-string" },
  }),
  HorizontalPodAutoscaler: withSpec({
    1: one("scaleTargetRef", { 1: text("kind"), 2: text("name"), 3: text("apiVersion") }),
    2: int("minReplicas"),
    3: int("maxReplicas"),
    4: many("metrics", {
      1: text("type"),
      4: one("resource", { 1: text("name"), 2: one("target", { 1: text("type"), 4: int("averageUtilization") }) }),
    }),
  }),
  PriorityClass: object({
    2: int("value"),
    3: bool("globalDefault"),
    4: text("description"),
    5: text("preemptionPolicy"),
  }),
  ResourceQuota: withSpec({ 1: { name: "hard", type: "quantity-map", isMap: true }, 2: texts("scopes") }),
  Lease: withSpec({
    1: text("holderIdentity"),
    2: int("leaseDurationSeconds"),
    3: time("acquireTime"),
    4: time("renewTime"),
    5: int("leaseTransitions"),
  }),
  TokenRequest: withSpec({
    1: texts("audiences"),
    3: one("boundObjectRef", { 1: text("kind"), 2: text("apiVersion"), 3: text("name"), 4: text("uid") }),
    4: int("expirationSeconds"),
  }),
  TokenReview: withSpec({ 1: text("token"), 2: texts("audiences") }),
  SelfSubjectAccessReview: withSpec(ACCESS),
  SubjectAccessReview: withSpec(SUBJECT_ACCESS),
  LocalSubjectAccessReview: withSpec(SUBJECT_ACCESS),
  SelfSubjectRulesReview: withSpec({ 1: text("namespace") }),
  SelfSubjectReview: object({ 2: ignored /* status */ }),
  Eviction: object({ 2: one("deleteOptions", DELETE_OPTIONS) }),
  DeleteOptions: DELETE_OPTIONS,
  Binding: object({
    2: one("target", { 1: text("kind"), 2: text("namespace"), 3: text("name"), 4: text("uid"), 5: text("apiVersion") }),
  }),
  Scale: withSpec({ 1: int("replicas") }),
};
