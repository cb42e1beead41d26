import { isObject, type KubeObject } from "../store/object.ts";

type Fields = Record<string, unknown>;

/** Fills in what Kubernetes fills in for built-in kinds, in place. Safe to run again after admission patched the object. */
export function setBuiltinDefaults(kind: string, object: KubeObject) {
  const spec = isObject(object["spec"]) ? (object["spec"] as Fields) : undefined;
  switch (kind) {
    case "Pod":
      podSpec(spec);
      return;
    case "PodTemplate":
      template(object["template"]);
      return;
    case "Deployment":
      return workload(spec, (fields) => deployment(fields));
    case "ReplicaSet":
    case "ReplicationController":
      return workload(spec, (fields) => void (fields["replicas"] ??= 1));
    case "StatefulSet":
      return workload(spec, (fields) => statefulSet(fields));
    case "DaemonSet":
      return workload(spec, (fields) => daemonSet(fields));
    case "Job":
      return job(spec);
    case "CronJob":
      return cronJob(spec);
    case "Service":
      return service(spec);
    case "Secret":
      secret(object);
      return;
    case "Endpoints":
      for (const subset of list(object["subsets"]))
        for (const port of list(subset["ports"])) port["protocol"] ??= "TCP";
      return;
    case "EndpointSlice":
      for (const port of list(object["ports"])) {
        port["protocol"] ??= "TCP";
        port["name"] ??= "";
      }
      return;
    case "ServiceAccount":
      return;
    case "MutatingWebhookConfiguration":
      for (const webhook of list(object["webhooks"])) mutatingWebhook(webhook);
      return;
    case "ValidatingWebhookConfiguration":
      for (const webhook of list(object["webhooks"])) webhookDefaults(webhook);
      return;
    case "ClusterRoleBinding":
    case "RoleBinding":
      return binding(object);
    case "Namespace":
      labelNamespace(object);
      return;
    case "CustomResourceDefinition":
      crd(spec);
      return;
    case "Ingress":
      return;
    case "NetworkPolicy":
      if (spec) spec["policyTypes"] ??= spec["egress"] ? ["Ingress", "Egress"] : ["Ingress"];
      return;
    case "HorizontalPodAutoscaler":
      if (spec) spec["minReplicas"] ??= 1;
      return;
    case "StorageClass":
      object["reclaimPolicy"] ??= "Delete";
      object["volumeBindingMode"] ??= "Immediate";
      return;
    case "PersistentVolumeClaim":
      if (spec) spec["volumeMode"] ??= "Filesystem";
      return;
  }
}

function workload(spec: Fields | undefined, more: (spec: Fields) => void): void {
  if (!spec) return;
  template(spec["template"]);
  more(spec);
}

function template(value: unknown): void {
  if (isObject(value) && isObject(value["spec"])) podSpec(value["spec"]);
}

function deployment(spec: Fields): void {
  spec["replicas"] ??= 1;
  spec["revisionHistoryLimit"] ??= 10;
  spec["progressDeadlineSeconds"] ??= 600;
  const strategy = object(spec, "strategy");
  strategy["type"] ??= "RollingUpdate";
  if (strategy["type"] !== "RollingUpdate") return;
  const rolling = object(strategy, "rollingUpdate");
  rolling["maxSurge"] ??= "25%";
  rolling["maxUnavailable"] ??= "25%";
}

function statefulSet(spec: Fields): void {
  spec["replicas"] ??= 1;
  spec["podManagementPolicy"] ??= "OrderedReady";
  spec["revisionHistoryLimit"] ??= 10;
  const strategy = object(spec, "updateStrategy");
  strategy["type"] ??= "RollingUpdate";
  if (strategy["type"] === "RollingUpdate") object(strategy, "rollingUpdate")["partition"] ??= 0;
  const retention = object(spec, "persistentVolumeClaimRetentionPolicy");
  retention["whenDeleted"] ??= "Retain";
  retention["whenScaled"] ??= "Retain";
}

function daemonSet(spec: Fields): void {
  spec["revisionHistoryLimit"] ??= 10;
  const strategy = object(spec, "updateStrategy");
  strategy["type"] ??= "RollingUpdate";
  if (strategy["type"] !== "RollingUpdate") return;
  const rolling = object(strategy, "rollingUpdate");
  rolling["maxSurge"] ??= 0;
  rolling["maxUnavailable"] ??= 1;
}

function job(spec: Fields | undefined): void {
  if (!spec) return;
  template(spec["template"]);
  spec["completions"] ??= spec["parallelism"] === undefined ? 1 : undefined;
  spec["parallelism"] ??= 1;
  spec["backoffLimit"] ??= 6;
  spec["completionMode"] ??= "NonIndexed";
  spec["suspend"] ??= false;
  spec["podReplacementPolicy"] ??= "TerminatingOrFailed";
  for (const field of Object.keys(spec)) if (spec[field] === undefined) delete spec[field];
}

function cronJob(spec: Fields | undefined): void {
  if (!spec) return;
  spec["concurrencyPolicy"] ??= "Allow";
  spec["suspend"] ??= false;
  spec["successfulJobsHistoryLimit"] ??= 3;
  spec["failedJobsHistoryLimit"] ??= 1;
  const jobTemplate = spec["jobTemplate"];
  if (isObject(jobTemplate) && isObject(jobTemplate["spec"])) template(jobTemplate["spec"]["template"]);
}

function service(spec: Fields | undefined): void {
  if (!spec) return;
  spec["sessionAffinity"] ??= "None";
  spec["type"] ??= "ClusterIP";
  for (const port of list(spec["ports"])) {
    port["protocol"] ??= "TCP";
    if (port["targetPort"] === undefined || port["targetPort"] === 0 || port["targetPort"] === "")
      port["targetPort"] = port["port"];
  }
  if (spec["sessionAffinity"] === "ClientIP") {
    const config = object(object(spec, "sessionAffinityConfig"), "clientIP");
    config["timeoutSeconds"] ??= 10_800;
  }
  if (spec["type"] === "ExternalName") return;
  spec["internalTrafficPolicy"] ??= "Cluster";
  if (spec["type"] !== "ClusterIP") spec["externalTrafficPolicy"] ??= "Cluster";
  if (spec["type"] === "LoadBalancer") spec["allocateLoadBalancerNodePorts"] ??= true;
}

/** `stringData` is a way to write `data`; it is never kept. */
function secret(secret: KubeObject): void {
  secret["type"] ??= "Opaque";
  const plain = secret["stringData"];
  if (!isObject(plain)) return;
  const data = object(secret as Fields, "data");
  for (const [key, value] of Object.entries(plain)) data[key] = Buffer.from(String(value)).toString("base64");
  delete secret["stringData"];
}

function mutatingWebhook(webhook: Fields): void {
  webhookDefaults(webhook);
  webhook["reinvocationPolicy"] ??= "Never";
}

function webhookDefaults(webhook: Fields): void {
  webhook["failurePolicy"] ??= "Fail";
  webhook["matchPolicy"] ??= "Equivalent";
  webhook["timeoutSeconds"] ??= 10;
  webhook["namespaceSelector"] ??= {};
  webhook["objectSelector"] ??= {};
  for (const rule of list(webhook["rules"])) rule["scope"] ??= "*";
  const config = webhook["clientConfig"];
  if (isObject(config) && isObject(config["service"])) config["service"]["port"] ??= 443;
}

function binding(object: KubeObject): void {
  const roleRef = object["roleRef"];
  if (isObject(roleRef)) roleRef["apiGroup"] ||= "rbac.authorization.k8s.io";
  for (const subject of list(object["subjects"])) {
    if (subject["apiGroup"]) continue;
    if (subject["kind"] === "User" || subject["kind"] === "Group") subject["apiGroup"] = "rbac.authorization.k8s.io";
    else delete subject["apiGroup"];
  }
}

function labelNamespace(namespace: KubeObject): void {
  if (!namespace.metadata.name) return;
  namespace.metadata.labels = { ...namespace.metadata.labels, "kubernetes.io/metadata.name": namespace.metadata.name };
}

function crd(spec: Fields | undefined): void {
  if (!spec) return;
  const names = object(spec, "names");
  if (typeof names["kind"] === "string") {
    names["singular"] ??= names["kind"].toLowerCase();
    names["listKind"] ??= `${names["kind"]}List`;
  }
  object(spec, "conversion")["strategy"] ??= "None";
}

function podSpec(spec: Fields | undefined): void {
  if (!spec) return;
  spec["restartPolicy"] ??= "Always";
  spec["terminationGracePeriodSeconds"] ??= 30;
  spec["dnsPolicy"] ??= "ClusterFirst";
  spec["schedulerName"] ??= "default-scheduler";
  spec["securityContext"] ??= {};
  spec["enableServiceLinks"] ??= true;
  if (typeof spec["serviceAccountName"] === "string") spec["serviceAccount"] ??= spec["serviceAccountName"];
  else if (typeof spec["serviceAccount"] === "string") spec["serviceAccountName"] = spec["serviceAccount"];
  for (const group of ["initContainers", "containers", "ephemeralContainers"])
    for (const c of list(spec[group])) container(c);
  for (const volume of list(spec["volumes"])) volumeDefaults(volume);
}

function container(container: Fields): void {
  container["terminationMessagePath"] ??= "/dev/termination-log";
  container["terminationMessagePolicy"] ??= "File";
  container["resources"] ??= {};
  if (typeof container["image"] === "string" && container["image"] !== "")
    container["imagePullPolicy"] ??= isLatest(container["image"]) ? "Always" : "IfNotPresent";
  for (const port of list(container["ports"])) port["protocol"] ??= "TCP";
  for (const env of list(container["env"])) fieldRef(env["valueFrom"]);
  for (const name of ["livenessProbe", "readinessProbe", "startupProbe"]) probe(container[name]);
  const lifecycle = container["lifecycle"];
  if (isObject(lifecycle)) for (const hook of Object.values(lifecycle)) httpGet(hook);
  const resources = container["resources"];
  if (isObject(resources) && isObject(resources["limits"])) {
    const requests = object(resources as Fields, "requests");
    for (const [name, amount] of Object.entries(resources["limits"])) requests[name] ??= amount;
  }
}

function isLatest(image: string): boolean {
  if (image.includes("@")) return false;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag === undefined || tag === "latest";
}

function fieldRef(source: unknown): void {
  if (isObject(source) && isObject(source["fieldRef"])) source["fieldRef"]["apiVersion"] ??= "v1";
}

function probe(value: unknown): void {
  if (!isObject(value)) return;
  value["timeoutSeconds"] ||= 1;
  value["periodSeconds"] ||= 10;
  value["successThreshold"] ||= 1;
  value["failureThreshold"] ||= 3;
  httpGet(value);
  if (isObject(value["grpc"])) value["grpc"]["service"] ??= "";
}

function httpGet(holder: unknown): void {
  if (!isObject(holder) || !isObject(holder["httpGet"])) return;
  holder["httpGet"]["scheme"] ??= "HTTP";
  holder["httpGet"]["path"] ??= "/";
}

function volumeDefaults(volume: Fields): void {
  const kinds = Object.keys(volume).filter((field) => field !== "name");
  if (kinds.length === 0) volume["emptyDir"] = {};
  for (const kind of ["configMap", "secret", "downwardAPI", "projected"])
    if (isObject(volume[kind])) (volume[kind] as Fields)["defaultMode"] ??= 0o644;
  if (isObject(volume["hostPath"])) (volume["hostPath"] as Fields)["type"] ??= "";
  if (isObject(volume["downwardAPI"])) for (const item of list(volume["downwardAPI"]["items"])) fieldRef(item);
  const projected = volume["projected"];
  if (!isObject(projected)) return;
  for (const source of list(projected["sources"])) {
    const token = source["serviceAccountToken"];
    if (isObject(token)) token["expirationSeconds"] ??= 3_600;
    if (isObject(source["downwardAPI"])) for (const item of list(source["downwardAPI"]["items"])) fieldRef(item);
  }
}

function list(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** The object under a field, made when it is not there. */
function object(owner: Fields, field: string): Fields {
  if (!isObject(owner[field])) owner[field] = {};
  return owner[field] as Fields;
}
