import { formatSelector } from "#kube/types";
import type { KubeObject } from "../../store/object.ts";
import { ageText, durationText } from "./age.ts";
import { podCells } from "./pod.ts";

type Fields = Record<string, unknown>;

/** One column of a kind's table. Wide ones (`-o wide`) have priority 1. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly isWide?: boolean;
  readonly cell: (object: KubeObject, nowMs: number) => string | number;
}

const text = (name: string, cell: Column["cell"]): Column => ({ name, type: "string", cell });
const wide = (name: string, cell: Column["cell"]): Column => ({ name, type: "string", isWide: true, cell });
const number = (name: string, cell: Column["cell"]): Column => ({ name, type: "integer", cell });

export const NAME: Column = text("Name", (object) => object.metadata.name);
export const AGE: Column = text("Age", (object, nowMs) => ageText(object.metadata.creationTimestamp, nowMs));

const spec = (object: KubeObject) => (object["spec"] ?? {}) as Fields;
const status = (object: KubeObject) => (object["status"] ?? {}) as Fields;
const count = (value: unknown) => (typeof value === "number" ? value : 0);
const list = (value: unknown) => (Array.isArray(value) ? (value as Fields[]) : []);
const orNone = (value: unknown) => (value === undefined || value === null || value === "" ? "<none>" : String(value));
const joined = (items: string[]) => (items.length === 0 ? "<none>" : items.join(","));

const templateSpec = (object: KubeObject) => ((spec(object)["template"] as Fields)?.["spec"] ?? {}) as Fields;
const CONTAINERS = wide("Containers", (object) =>
  joined(list(templateSpec(object)["containers"]).map((c) => String(c["name"]))),
);
const IMAGES = wide("Images", (object) =>
  joined(list(templateSpec(object)["containers"]).map((c) => String(c["image"] ?? ""))),
);
const SELECTOR = wide("Selector", (object) => orNone(formatSelector(spec(object)["selector"] as never)));

/** Columns by `resource.group`; kinds without an entry get Name and Age. */
export const COLUMNS: Record<string, readonly Column[]> = {
  pods: [
    NAME,
    text("Ready", (pod) => podCells(pod).ready),
    text("Status", (pod) => podCells(pod).status),
    text("Restarts", (pod, nowMs) => restarts(pod, nowMs)),
    AGE,
    wide("IP", (pod) => orNone(status(pod)["podIP"])),
    wide("Node", (pod) => orNone(spec(pod)["nodeName"])),
    wide("Nominated Node", (pod) => orNone(status(pod)["nominatedNodeName"])),
    wide("Readiness Gates", () => "<none>"),
  ],
  "deployments.apps": [
    NAME,
    text("Ready", (d) => `${count(status(d)["readyReplicas"])}/${count(spec(d)["replicas"])}`),
    number("Up-to-date", (d) => count(status(d)["updatedReplicas"])),
    number("Available", (d) => count(status(d)["availableReplicas"])),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
  ],
  "replicasets.apps": [
    NAME,
    number("Desired", (rs) => count(spec(rs)["replicas"])),
    number("Current", (rs) => count(status(rs)["replicas"])),
    number("Ready", (rs) => count(status(rs)["readyReplicas"])),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
  ],
  "statefulsets.apps": [
    NAME,
    text("Ready", (s) => `${count(status(s)["readyReplicas"])}/${count(spec(s)["replicas"])}`),
    AGE,
    CONTAINERS,
    IMAGES,
  ],
  "daemonsets.apps": [
    NAME,
    number("Desired", (ds) => count(status(ds)["desiredNumberScheduled"])),
    number("Current", (ds) => count(status(ds)["currentNumberScheduled"])),
    number("Ready", (ds) => count(status(ds)["numberReady"])),
    number("Up-to-date", (ds) => count(status(ds)["updatedNumberScheduled"])),
    number("Available", (ds) => count(status(ds)["numberAvailable"])),
    text("Node Selector", (ds) => orNone(formatSelector({ matchLabels: templateSpec(ds)["nodeSelector"] as never }))),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
  ],
  "jobs.batch": [
    NAME,
    text("Status", jobStatus),
    text("Completions", (job) => `${count(status(job)["succeeded"])}/${count(spec(job)["completions"]) || 1}`),
    text("Duration", jobDuration),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
  ],
  "cronjobs.batch": [
    NAME,
    text("Schedule", (job) => orNone(spec(job)["schedule"])),
    text("Timezone", (job) => orNone(spec(job)["timeZone"])),
    text("Suspend", (job) => (spec(job)["suspend"] ? "True" : "False")),
    number("Active", (job) => list(status(job)["active"]).length),
    text("Last Schedule", (job, nowMs) => {
      const last = status(job)["lastScheduleTime"];
      return last ? ageText(String(last), nowMs) : "<none>";
    }),
    AGE,
  ],
  services: [
    NAME,
    text("Type", (svc) => orNone(spec(svc)["type"])),
    text("Cluster-IP", (svc) => orNone(spec(svc)["clusterIP"])),
    text("External-IP", externalIp),
    text("Port(s)", servicePorts),
    AGE,
    wide("Selector", (svc) => orNone(formatSelector({ matchLabels: (spec(svc)["selector"] ?? {}) as never }))),
  ],
  endpoints: [NAME, text("Endpoints", endpointsText), AGE],
  "endpointslices.discovery.k8s.io": [
    NAME,
    text("AddressType", (slice) => orNone(slice["addressType"])),
    text("Ports", (slice) =>
      shortList(
        list(slice["ports"]).map((port) => String(port["port"] ?? "*")),
        "<unset>",
      ),
    ),
    text("Endpoints", (slice) =>
      shortList(
        list(slice["endpoints"]).flatMap((e) => e["addresses"] as string[]),
        "<unset>",
      ),
    ),
    AGE,
  ],
  namespaces: [NAME, text("Status", (ns) => orNone(status(ns)["phase"])), AGE],
  nodes: [
    NAME,
    text("Status", nodeStatus),
    text("Roles", nodeRoles),
    AGE,
    text("Version", (node) => orNone(nodeInfo(node)["kubeletVersion"])),
    wide("Internal-IP", (node) => orNone(nodeAddress(node, "InternalIP"))),
    wide("External-IP", (node) => orNone(nodeAddress(node, "ExternalIP"))),
    wide("OS-Image", (node) => orNone(nodeInfo(node)["osImage"])),
    wide("Kernel-Version", (node) => orNone(nodeInfo(node)["kernelVersion"])),
    wide("Container-Runtime", (node) => orNone(nodeInfo(node)["containerRuntimeVersion"])),
  ],
  events: [
    text("Last Seen", (event, nowMs) =>
      ageText(String(event["lastTimestamp"] ?? event["eventTime"] ?? event.metadata.creationTimestamp), nowMs),
    ),
    text("Type", (event) => orNone(event["type"])),
    text("Reason", (event) => orNone(event["reason"])),
    text("Object", (event) => {
      const about = (event["involvedObject"] ?? {}) as Fields;
      return `${String(about["kind"] ?? "").toLowerCase()}/${String(about["name"] ?? "")}`;
    }),
    wide("Subobject", (event) => String(((event["involvedObject"] ?? {}) as Fields)["fieldPath"] ?? "")),
    wide("Source", (event) =>
      String(((event["source"] ?? {}) as Fields)["component"] ?? event["reportingComponent"] ?? ""),
    ),
    text("Message", (event) => String(event["message"] ?? "").trim()),
    wide("First Seen", (event, nowMs) =>
      ageText(String(event["firstTimestamp"] ?? event.metadata.creationTimestamp), nowMs),
    ),
    wide("Count", (event) => String(event["count"] ?? 1)),
    wide("Name", (event) => event.metadata.name),
  ],
  configmaps: [NAME, number("Data", (cm) => keys(cm["data"]) + keys(cm["binaryData"])), AGE],
  secrets: [
    NAME,
    text("Type", (secret) => orNone(secret["type"])),
    number("Data", (secret) => keys(secret["data"])),
    AGE,
  ],
  serviceaccounts: [NAME, number("Secrets", (sa) => list(sa["secrets"]).length), AGE],
  "roles.rbac.authorization.k8s.io": [NAME, text("Created At", (role) => orNone(role.metadata.creationTimestamp))],
  "clusterroles.rbac.authorization.k8s.io": [
    NAME,
    text("Created At", (role) => orNone(role.metadata.creationTimestamp)),
  ],
  "rolebindings.rbac.authorization.k8s.io": bindingColumns(),
  "clusterrolebindings.rbac.authorization.k8s.io": bindingColumns(),
  "leases.coordination.k8s.io": [NAME, text("Holder", (lease) => orNone(spec(lease)["holderIdentity"])), AGE],
  "customresourcedefinitions.apiextensions.k8s.io": [
    NAME,
    text("Created At", (crd) => orNone(crd.metadata.creationTimestamp)),
  ],
  "apiservices.apiregistration.k8s.io": [
    NAME,
    text("Service", apiServiceTarget),
    text("Available", apiServiceAvailable),
    AGE,
  ],
  "mutatingwebhookconfigurations.admissionregistration.k8s.io": [
    NAME,
    number("Webhooks", (c) => list(c["webhooks"]).length),
    AGE,
  ],
  "validatingwebhookconfigurations.admissionregistration.k8s.io": [
    NAME,
    number("Webhooks", (c) => list(c["webhooks"]).length),
    AGE,
  ],
  "poddisruptionbudgets.policy": [
    NAME,
    text("Min Available", (pdb) =>
      spec(pdb)["minAvailable"] === undefined ? "N/A" : String(spec(pdb)["minAvailable"]),
    ),
    text("Max Unavailable", (pdb) =>
      spec(pdb)["maxUnavailable"] === undefined ? "N/A" : String(spec(pdb)["maxUnavailable"]),
    ),
    number("Allowed Disruptions", (pdb) => count(status(pdb)["disruptionsAllowed"])),
    AGE,
  ],
  "networkpolicies.networking.k8s.io": [
    NAME,
    text("Pod-Selector", (policy) => orNone(formatSelector(spec(policy)["podSelector"] as never))),
    AGE,
  ],
  "horizontalpodautoscalers.autoscaling": [
    NAME,
    text("Reference", (hpa) => {
      const target = (spec(hpa)["scaleTargetRef"] ?? {}) as Fields;
      return `${String(target["kind"])}/${String(target["name"])}`;
    }),
    text("Targets", () => "<unknown>"),
    text("MinPods", (hpa) => String(spec(hpa)["minReplicas"] ?? 1)),
    number("MaxPods", (hpa) => count(spec(hpa)["maxReplicas"])),
    number("Replicas", (hpa) => count(status(hpa)["currentReplicas"])),
    AGE,
  ],
};

function bindingColumns(): Column[] {
  return [
    NAME,
    text("Role", (binding) => {
      const ref = (binding["roleRef"] ?? {}) as Fields;
      return `${String(ref["kind"])}/${String(ref["name"])}`;
    }),
    AGE,
    wide("Users", (binding) => subjects(binding, "User")),
    wide("Groups", (binding) => subjects(binding, "Group")),
    wide("ServiceAccounts", (binding) => subjects(binding, "ServiceAccount")),
  ];
}

function subjects(binding: KubeObject, kind: string): string {
  return list(binding["subjects"])
    .filter((subject) => subject["kind"] === kind)
    .map((subject) =>
      subject["namespace"] ? `${String(subject["namespace"])}/${String(subject["name"])}` : String(subject["name"]),
    )
    .join(", ");
}

function restarts(pod: KubeObject, nowMs: number): string {
  const { restartCount, lastRestart } = podCells(pod);
  return restartCount > 0 && lastRestart
    ? `${restartCount} (${ageText(lastRestart, nowMs)} ago)`
    : String(restartCount);
}

function keys(value: unknown): number {
  return Object.keys((value ?? {}) as Fields).length;
}

function jobStatus(job: KubeObject): string {
  const isTrue = (type: string) =>
    list(status(job)["conditions"]).some((c) => c["type"] === type && c["status"] === "True");
  if (isTrue("Complete")) return "Complete";
  if (isTrue("Failed")) return "Failed";
  if (job.metadata.deletionTimestamp) return "Terminating";
  return isTrue("Suspended") ? "Suspended" : "Running";
}

function jobDuration(job: KubeObject, nowMs: number): string {
  const { startTime, completionTime } = status(job) as { startTime?: string; completionTime?: string };
  if (!startTime) return "";
  const untilMs = completionTime ? Date.parse(completionTime) : nowMs;
  return durationText(Math.floor((untilMs - Date.parse(startTime)) / 1_000));
}

function externalIp(service: KubeObject): string {
  const { type, externalName, externalIPs } = spec(service) as {
    type?: string;
    externalName?: string;
    externalIPs?: string[];
  };
  if (type === "ExternalName") return externalName ?? "<none>";
  const ingress = list((status(service)["loadBalancer"] as Fields | undefined)?.["ingress"]);
  const addresses = [...ingress.map((entry) => String(entry["ip"] ?? entry["hostname"])), ...(externalIPs ?? [])];
  if (type === "LoadBalancer" && addresses.length === 0) return "<pending>";
  return joined(addresses);
}

function servicePorts(service: KubeObject): string {
  return joined(
    list(spec(service)["ports"]).map((port) => {
      const node = port["nodePort"] ? `:${String(port["nodePort"])}` : "";
      return `${String(port["port"])}${node}/${String(port["protocol"])}`;
    }),
  );
}

function endpointsText(endpoints: KubeObject): string {
  const all = list(endpoints["subsets"]).flatMap((subset) => {
    const addresses = list(subset["addresses"]).map((address) => String(address["ip"]));
    const ports = list(subset["ports"]).map((port) => Number(port["port"]));
    return ports.length === 0 ? addresses : addresses.flatMap((address) => ports.map((port) => `${address}:${port}`));
  });
  return shortList(all, "<none>");
}

function shortList(items: string[], empty: string): string {
  if (items.length === 0) return empty;
  return items.length <= 3 ? items.join(",") : `${items.slice(0, 3).join(",")} + ${items.length - 3} more...`;
}

function nodeStatus(node: KubeObject): string {
  const ready = list(status(node)["conditions"]).find((condition) => condition["type"] === "Ready");
  const parts = [ready ? (ready["status"] === "True" ? "Ready" : "NotReady") : "Unknown"];
  if (spec(node)["unschedulable"]) parts.push("SchedulingDisabled");
  return parts.join(",");
}

function nodeRoles(node: KubeObject): string {
  const prefix = "node-role.kubernetes.io/";
  const roles = Object.keys(node.metadata.labels ?? {}).filter((label) => label.startsWith(prefix));
  return joined(roles.map((label) => label.slice(prefix.length)).sort());
}

function nodeInfo(node: KubeObject): Fields {
  return (status(node)["nodeInfo"] ?? {}) as Fields;
}

function nodeAddress(node: KubeObject, type: string): unknown {
  return list(status(node)["addresses"]).find((address) => address["type"] === type)?.["address"];
}

function apiServiceTarget(service: KubeObject): string {
  const target = spec(service)["service"] as Fields | undefined;
  return target ? `${String(target["namespace"])}/${String(target["name"])}` : "Local";
}

function apiServiceAvailable(service: KubeObject): string {
  const condition = list(status(service)["conditions"]).find((entry) => entry["type"] === "Available");
  if (!condition) return spec(service)["service"] ? "Unknown" : "True";
  return condition["status"] === "True" ? "True" : `False (${String(condition["reason"])})`;
}
