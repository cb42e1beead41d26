import { ANNOTATIONS } from "#contracts/labels";
import { NAMESPACES, PODS, type Pod, SERVICES, type Service } from "#kube";
import { type Category, SkipCheck } from "./engine.ts";
import type { Facts } from "./facts.ts";
import { proxyVersions, requireReady, type VersionOptions } from "./versions.ts";

/** The workloads' side of the mesh; `namespace` empty means all. */
export function dataPlane(facts: Facts, namespace: string, versions: VersionOptions): Category {
  const pods = () => facts.dataPlanePods(namespace);
  const services = async () =>
    (await (await facts.client()).list(SERVICES, { namespace: namespace || undefined })).items;
  return {
    id: "linkerd-data-plane",
    checks: [
      {
        description: "data plane namespace exists",
        hint: "l5d-data-plane-exists",
        fatal: true,
        run: async () => {
          if (!namespace) return;
          if (!(await (await facts.client()).get(NAMESPACES, namespace)))
            throw new Error(`The "${namespace}" namespace does not exist`);
        },
      },
      {
        description: "data plane proxies are ready",
        hint: "l5d-data-plane-ready",
        fatal: true,
        retry: true,
        run: async () => requireReady(await pods(), namespace),
      },
      ...proxyVersions("data plane", ["l5d-data-plane-version", "l5d-data-plane-cli-version"], pods, versions),
      {
        description: "data plane pod labels are configured correctly",
        hint: "l5d-data-plane-pod-labels",
        warning: true,
        run: async () => requireNone(await pods(), "label", misplacedLabels),
      },
      {
        description: "data plane service labels are configured correctly",
        hint: "l5d-data-plane-services-labels",
        warning: true,
        run: async () => requireNone(await services(), "label", misplacedLabels),
      },
      {
        description: "data plane service annotations are configured correctly",
        hint: "l5d-data-plane-services-annotations",
        warning: true,
        run: async () => requireNone(await services(), "annotation", misplacedAnnotations),
      },
      {
        description: "opaque ports are properly annotated",
        hint: "linkerd-opaque-ports-definition",
        warning: true,
        run: async () => requireSameOpaquePorts(await services(), await allPods(facts, namespace)),
      },
    ],
  };
}

type Named = Pod | Service;

function misplacedLabels({ metadata }: Named): string[] {
  return Object.keys(metadata.labels ?? {}).filter(
    (key) =>
      key === ANNOTATIONS.inject || key.startsWith("config.linkerd.io") || key.startsWith("config.alpha.linkerd.io"),
  );
}

function misplacedAnnotations({ metadata }: Named): string[] {
  return Object.keys(metadata.annotations ?? {}).filter((key) => key === "mirror.linkerd.io/exported");
}

function requireNone(objects: readonly Named[], what: string, find: (object: Named) => string[]): void {
  const lines = objects.flatMap((object) =>
    find(object).map((key) => `\t* ${key} on ${object.metadata.namespace}/${object.metadata.name}`),
  );
  if (lines.length > 0)
    throw new Error(`Some objects carry a key as ${what} that does nothing there:\n${lines.join("\n")}`);
}

async function allPods(facts: Facts, namespace: string): Promise<Pod[]> {
  return (await (await facts.client()).list(PODS, { namespace: namespace || undefined })).items;
}

function requireSameOpaquePorts(services: readonly Service[], pods: readonly Pod[]): void {
  const considered = services.filter(
    ({ spec }) => spec?.clusterIP !== "None" && Object.keys(spec?.selector ?? {}).length > 0,
  );
  if (considered.length === 0) throw new SkipCheck();
  const lines = considered.flatMap((service) => opaqueDifferences(service, podsBehind(service, pods)));
  if (lines.length > 0) throw new Error(lines.join("\n"));
}

function podsBehind({ metadata, spec }: Service, pods: readonly Pod[]): Pod[] {
  const wanted = Object.entries(spec?.selector ?? {});
  return pods.filter(
    (pod) =>
      pod.metadata.namespace === metadata.namespace &&
      wanted.every(([key, value]) => pod.metadata.labels?.[key] === value),
  );
}

/** A port must be opaque on both sides or on neither: one side alone breaks the connection's meaning. */
function opaqueDifferences(service: Service, pods: readonly Pod[]): string[] {
  const name = `${service.metadata.namespace}/${service.metadata.name}`;
  const declared = opaqueSet(service);
  const lines: string[] = [];
  for (const { port, targetPort } of service.spec?.ports ?? []) {
    const target =
      typeof targetPort === "number" && targetPort > 0 ? targetPort : typeof targetPort === "string" ? undefined : port;
    if (target === undefined) continue;
    for (const pod of pods) {
      const [onService, onPod] = [declared.has(String(port)), opaqueSet(pod).has(String(target))];
      if (onService === onPod) continue;
      const [has, lacks] = onService
        ? [`service ${name}`, `pod ${pod.metadata.name}`]
        : [`pod ${pod.metadata.name}`, `service ${name}`];
      lines.push(
        `\t* ${has} has opaque port ${onService ? port : target} but ${lacks} does not; add it to the annotation ${ANNOTATIONS.opaquePorts}`,
      );
    }
  }
  return lines;
}

function opaqueSet({ metadata }: Named): Set<string> {
  const found = new Set<string>();
  for (const part of (metadata.annotations?.[ANNOTATIONS.opaquePorts] ?? "").split(",")) {
    const [low, high = low] = part.trim().split("-").map(Number);
    if (!low || !high || high > 65535) continue;
    for (let port = low; port <= high; port++) found.add(String(port));
  }
  return found;
}
