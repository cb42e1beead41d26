import { isObject, type KubeObject, type ObjectMeta, sameJson } from "../store/object.ts";
import type { StatusCause } from "../store/status.ts";
import { dnsLabel, labelValue, nameRuleOf, qualifiedName } from "./names.ts";

type Fields = Record<string, unknown>;

/** Total size of all annotations of one object. */
const MAX_ANNOTATION_BYTES = 256 * 1024;

/** What is wrong with an object's metadata, for every kind. */
export function metadataFindings(kind: string, meta: ObjectMeta): StatusCause[] {
  const found: StatusCause[] = [];
  const badName = nameRuleOf(kind)(meta.name);
  if (badName) found.push(invalid("metadata.name", meta.name, badName));
  for (const [key, value] of Object.entries(meta.labels ?? {})) {
    const badKey = qualifiedName(key);
    if (badKey) found.push(invalid("metadata.labels", key, badKey));
    const badValue = typeof value === "string" ? labelValue(value) : "must be a string";
    if (badValue) found.push(invalid("metadata.labels", value, badValue));
  }
  let bytes = 0;
  for (const [key, value] of Object.entries(meta.annotations ?? {})) {
    const badKey = qualifiedName(key.toLowerCase());
    if (badKey) found.push(invalid("metadata.annotations", key, badKey));
    bytes += key.length + String(value).length;
  }
  if (bytes > MAX_ANNOTATION_BYTES)
    found.push({
      reason: "FieldValueTooLong",
      field: "metadata.annotations",
      message: `Too long: may not be more than ${MAX_ANNOTATION_BYTES} bytes`,
    });
  return found;
}

/** What is wrong with a built-in object beyond its types. `old` is there on updates. */
export function builtinFindings(kind: string, object: KubeObject, old: KubeObject | undefined): StatusCause[] {
  const found: StatusCause[] = [];
  const spec = isObject(object["spec"]) ? (object["spec"] as Fields) : {};
  switch (kind) {
    case "Pod":
      if (old) podChange(spec, (old["spec"] ?? {}) as Fields, found);
      else podSpec(spec, "spec", found);
      break;
    case "Deployment":
    case "ReplicaSet":
    case "StatefulSet":
    case "DaemonSet":
      workload(kind, spec, old, found);
      break;
    case "Job":
      jobSpec(spec, "spec", found);
      break;
    case "CronJob":
      cronJob(spec, found);
      break;
    case "Service":
      service(spec, found);
      break;
    case "ConfigMap":
    case "Secret":
      keyed(object, kind, old, found);
      break;
    case "RoleBinding":
    case "ClusterRoleBinding":
      binding(object, old, found);
      break;
    case "EndpointSlice":
      endpointSlice(object, found);
      break;
  }
  return found;
}

function workload(kind: string, spec: Fields, old: KubeObject | undefined, found: StatusCause[]): void {
  const selector = spec["selector"];
  const template = isObject(spec["template"]) ? spec["template"] : {};
  if (!isObject(selector) || Object.keys(selector).length === 0) {
    found.push(required("spec.selector"));
  } else {
    const labels = (isObject(template["metadata"]) ? template["metadata"]["labels"] : undefined) as Fields | undefined;
    for (const [key, value] of Object.entries((selector["matchLabels"] ?? {}) as Fields))
      if (labels?.[key] !== value) {
        found.push(
          invalid("spec.template.metadata.labels", labels ?? {}, "`selector` does not match template `labels`"),
        );
        break;
      }
  }
  const oldSpec = old?.["spec"] as Fields | undefined;
  if (oldSpec && !sameJson(oldSpec["selector"], selector))
    found.push(invalid("spec.selector", selector, "field is immutable"));
  const replicas = spec["replicas"];
  if (typeof replicas === "number" && replicas < 0)
    found.push(invalid("spec.replicas", replicas, "must be greater than or equal to 0"));
  podSpec(isObject(template["spec"]) ? template["spec"] : {}, "spec.template.spec", found);
  const restart = (template["spec"] as Fields | undefined)?.["restartPolicy"];
  if (restart !== undefined && restart !== "Always")
    found.push(unsupported("spec.template.spec.restartPolicy", restart, ["Always"]));
  if (kind === "StatefulSet" && old && !sameJson(oldSpec?.["serviceName"], spec["serviceName"]))
    found.push({
      reason: "FieldValueForbidden",
      field: "spec",
      message:
        "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    });
}

function jobSpec(spec: Fields, path: string, found: StatusCause[]): void {
  const template = isObject(spec["template"]) ? spec["template"] : {};
  const pod = isObject(template["spec"]) ? (template["spec"] as Fields) : {};
  podSpec(pod, `${path}.template.spec`, found);
  if (pod["restartPolicy"] !== "OnFailure" && pod["restartPolicy"] !== "Never")
    found.push(unsupported(`${path}.template.spec.restartPolicy`, pod["restartPolicy"], ["OnFailure", "Never"]));
}

function cronJob(spec: Fields, found: StatusCause[]): void {
  const schedule = spec["schedule"];
  if (typeof schedule !== "string" || schedule === "") found.push(required("spec.schedule"));
  else if (!schedule.startsWith("@") && schedule.trim().split(/\s+/).length !== 5)
    found.push(
      invalid(
        "spec.schedule",
        schedule,
        `expected exactly 5 fields, found ${schedule.trim().split(/\s+/).length}: [${schedule}]`,
      ),
    );
  const template = spec["jobTemplate"];
  jobSpec(isObject(template) && isObject(template["spec"]) ? template["spec"] : {}, "spec.jobTemplate.spec", found);
}

const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];
const PROTOCOLS = ["TCP", "UDP", "SCTP"];

/** A pod's spec, wherever it stands. */
function podSpec(spec: Fields, path: string, found: StatusCause[]): void {
  const volumes = new Set(list(spec["volumes"]).map((volume) => String(volume["name"])));
  if (list(spec["containers"]).length === 0) found.push(required(`${path}.containers`));
  const names = new Set<string>();
  for (const group of ["initContainers", "containers"])
    for (const [i, container] of list(spec[group]).entries())
      containerFindings(container, `${path}.${group}[${i}]`, names, volumes, found);
  for (const [i, volume] of list(spec["volumes"]).entries()) {
    const bad = dnsLabel(String(volume["name"] ?? ""));
    if (!volume["name"]) found.push(required(`${path}.volumes[${i}].name`));
    else if (bad) found.push(invalid(`${path}.volumes[${i}].name`, volume["name"], bad));
  }
  const restart = spec["restartPolicy"];
  if (!["Always", "OnFailure", "Never"].includes(String(restart)))
    found.push(unsupported(`${path}.restartPolicy`, restart, ["Always", "OnFailure", "Never"]));
  const grace = spec["terminationGracePeriodSeconds"];
  if (typeof grace === "number" && grace < 0)
    found.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, "must be greater than or equal to 0"));
}

function containerFindings(
  container: Fields,
  path: string,
  names: Set<string>,
  volumes: ReadonlySet<string>,
  found: StatusCause[],
): void {
  const name = String(container["name"] ?? "");
  const badName = dnsLabel(name);
  if (!name) found.push(required(`${path}.name`));
  else if (badName) found.push(invalid(`${path}.name`, name, badName));
  else if (names.has(name))
    found.push({ reason: "FieldValueDuplicate", field: `${path}.name`, message: `Duplicate value: "${name}"` });
  names.add(name);
  if (!container["image"]) found.push(required(`${path}.image`));
  const pull = container["imagePullPolicy"];
  if (pull !== undefined && !PULL_POLICIES.includes(String(pull)))
    found.push(unsupported(`${path}.imagePullPolicy`, pull, PULL_POLICIES));
  for (const [i, port] of list(container["ports"]).entries()) {
    portNumber(port["containerPort"], `${path}.ports[${i}].containerPort`, found);
    if (!PROTOCOLS.includes(String(port["protocol"])))
      found.push(unsupported(`${path}.ports[${i}].protocol`, port["protocol"], PROTOCOLS));
  }
  for (const [i, env] of list(container["env"]).entries())
    if (!env["name"]) found.push(required(`${path}.env[${i}].name`));
  for (const [i, mount] of list(container["volumeMounts"]).entries()) {
    if (!volumes.has(String(mount["name"])))
      found.push({
        reason: "FieldValueNotFound",
        field: `${path}.volumeMounts[${i}].name`,
        message: `Not found: ${JSON.stringify(mount["name"] ?? "")}`,
      });
    if (!mount["mountPath"]) found.push(required(`${path}.volumeMounts[${i}].mountPath`));
  }
  for (const field of ["livenessProbe", "readinessProbe", "startupProbe"]) {
    const probe = container[field];
    if (!isObject(probe)) continue;
    const actions = ["exec", "httpGet", "tcpSocket", "grpc"].filter((action) => probe[action] !== undefined);
    if (actions.length === 0)
      found.push({
        reason: "FieldValueRequired",
        field: `${path}.${field}`,
        message: "Required value: must specify a handler type",
      });
  }
}

/** Fields of a pod that may change once it exists. */
const POD_CHANGEABLE = ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"];

function podChange(spec: Fields, old: Fields, found: StatusCause[]): void {
  if (sameJson(frozenPart(spec, old), frozenPart(old, old))) return;
  found.push({
    reason: "FieldValueForbidden",
    field: "spec",
    message:
      "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
  });
}

function frozenPart(spec: Fields, old: Fields): Fields {
  const rest: Fields = { ...spec };
  for (const field of POD_CHANGEABLE) delete rest[field];
  if (!old["nodeName"]) delete rest["nodeName"]; // it may be given a node once
  for (const group of ["containers", "initContainers"])
    if (Array.isArray(rest[group])) rest[group] = list(rest[group]).map(({ image: _, ...container }) => container);
  return rest;
}

function service(spec: Fields, found: StatusCause[]): void {
  const type = String(spec["type"]);
  const types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
  if (!types.includes(type)) found.push(unsupported("spec.type", type, types));
  if (type === "ExternalName") {
    if (!spec["externalName"]) found.push(required("spec.externalName"));
    return;
  }
  const ports = list(spec["ports"]);
  if (ports.length === 0 && spec["clusterIP"] !== "None") found.push(required("spec.ports"));
  const seen = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const path = `spec.ports[${i}]`;
    portNumber(port["port"], `${path}.port`, found);
    if (typeof port["targetPort"] === "number") portNumber(port["targetPort"], `${path}.targetPort`, found);
    if (!PROTOCOLS.includes(String(port["protocol"])))
      found.push(unsupported(`${path}.protocol`, port["protocol"], PROTOCOLS));
    if (ports.length > 1 && !port["name"]) found.push(required(`${path}.name`));
    const bad = port["name"] ? dnsLabel(String(port["name"])) : undefined;
    if (bad) found.push(invalid(`${path}.name`, port["name"], bad));
    const identity = `${port["protocol"]}/${port["port"]}`;
    if (seen.has(identity))
      found.push({
        reason: "FieldValueDuplicate",
        field: path,
        message: `Duplicate value: ${JSON.stringify({ protocol: port["protocol"], port: port["port"] })}`,
      });
    seen.add(identity);
  }
}

function keyed(object: KubeObject, kind: string, old: KubeObject | undefined, found: StatusCause[]): void {
  for (const field of ["data", "binaryData"])
    for (const [key, value] of Object.entries((object[field] ?? {}) as Fields)) {
      if (!/^[-._a-zA-Z0-9]+$/.test(key) || key.length > 253)
        found.push(
          invalid(
            `${field}[${key}]`,
            key,
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
          ),
        );
      if (kind === "Secret" && !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(String(value)))
        found.push(invalid(`${field}[${key}]`, "<hidden>", "must be base64"));
    }
  if (!old) return;
  if (old["immutable"] === true && !sameJson(old["data"], object["data"]))
    found.push({
      reason: "FieldValueForbidden",
      field: "data",
      message: "Forbidden: field is immutable when `immutable` is set",
    });
  if (kind === "Secret" && old["type"] !== object["type"])
    found.push(invalid("type", object["type"], "field is immutable"));
}

function binding(object: KubeObject, old: KubeObject | undefined, found: StatusCause[]): void {
  const roleRef = isObject(object["roleRef"]) ? object["roleRef"] : {};
  if (!["ClusterRole", "Role"].includes(String(roleRef["kind"])))
    found.push(unsupported("roleRef.kind", roleRef["kind"] ?? "", ["ClusterRole", "Role"]));
  if (!roleRef["name"]) found.push(required("roleRef.name"));
  if (old && !sameJson(old["roleRef"], roleRef)) found.push(invalid("roleRef", roleRef, "cannot change roleRef"));
  for (const [i, subject] of list(object["subjects"]).entries()) {
    if (!subject["name"]) found.push(required(`subjects[${i}].name`));
    if (subject["kind"] === "ServiceAccount" && !subject["namespace"]) found.push(required(`subjects[${i}].namespace`));
  }
}

function endpointSlice(object: KubeObject, found: StatusCause[]): void {
  const types = ["IPv4", "IPv6", "FQDN"];
  if (!types.includes(String(object["addressType"])))
    found.push(unsupported("addressType", object["addressType"] ?? "", types));
  for (const [i, endpoint] of list(object["endpoints"]).entries())
    if (!Array.isArray(endpoint["addresses"]) || endpoint["addresses"].length === 0)
      found.push(required(`endpoints[${i}].addresses`));
}

function portNumber(value: unknown, path: string, found: StatusCause[]): void {
  if (value === undefined) found.push(required(path));
  else if (typeof value !== "number" || value < 1 || value > 65_535)
    found.push(invalid(path, value, "must be between 1 and 65535, inclusive"));
}

function required(field: string): StatusCause {
  return { reason: "FieldValueRequired", field, message: "Required value" };
}

function invalid(field: string, value: unknown, why: string): StatusCause {
  return { reason: "FieldValueInvalid", field, message: `Invalid value: ${JSON.stringify(value)}: ${why}` };
}

function unsupported(field: string, value: unknown, supported: readonly string[]): StatusCause {
  const choices = supported.map((choice) => JSON.stringify(choice)).join(", ");
  return {
    reason: "FieldValueNotSupported",
    field,
    message: `Unsupported value: ${JSON.stringify(value ?? "")}: supported values: ${choices}`,
  };
}

function list(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
