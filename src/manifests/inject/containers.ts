/** The containers that make a pod part of the mesh. */
import type { Container, PodSpec, VolumeMount } from "#kube/types";
import type { Resources, Values } from "../values.ts";
import { type ProxyContext, proxyEnv } from "./proxy-env.ts";

/** What of the pod's first container the mesh's containers take over. */
export interface PodTraits {
  readonly capabilities?: { readonly add?: string[]; readonly drop?: string[] };
  /** The mount of the pod's own token, where there is one. */
  readonly tokenMount?: VolumeMount;
}

/** The sidecar itself. With `nativeSidecar` it is an init container that keeps running. */
export function proxyContainer(context: ProxyContext, traits: PodTraits = {}): Container {
  const { values } = context;
  const { proxy } = values;
  return {
    name: "linkerd-proxy",
    image: imageOf(proxy.image, values),
    imagePullPolicy: proxy.image.pullPolicy || values.imagePullPolicy,
    env: proxyEnv(context),
    ports: [
      { containerPort: proxy.ports.inbound, name: "linkerd-proxy" },
      { containerPort: proxy.ports.admin, name: "linkerd-admin" },
    ],
    ...proxyProbes(proxy),
    resources: resourcesOf(proxy.resources),
    securityContext: proxySecurity(proxy, traits),
    terminationMessagePolicy: "FallbackToLogsOnError",
    ...lifecycleOf(proxy),
    volumeMounts: proxyMounts(values, traits),
    ...(proxy.nativeSidecar ? { restartPolicy: "Always" } : {}),
  };
}

type ProxyValues = Values["proxy"];

function imageOf(image: { name: string; version: string }, values: Values): string {
  return `${image.name}:${image.version || values.linkerdVersion}`;
}

function proxyProbes(proxy: ProxyValues): Pick<Container, "livenessProbe" | "readinessProbe" | "startupProbe"> {
  const port = proxy.ports.admin;
  return {
    livenessProbe: { httpGet: { path: "/live", port }, ...proxy.livenessProbe },
    readinessProbe: { httpGet: { path: "/ready", port }, ...proxy.readinessProbe },
    // Containers after a native sidecar start once this succeeds.
    ...(proxy.nativeSidecar && proxy.await
      ? { startupProbe: { httpGet: { path: "/ready", port }, ...proxy.startupProbe } }
      : {}),
  };
}

function proxySecurity(proxy: ProxyValues, { capabilities }: PodTraits): Container["securityContext"] {
  if (Object.keys(proxy.securityContext).length > 0) return proxy.securityContext;
  return {
    allowPrivilegeEscalation: false,
    ...(capabilities ? { capabilities } : {}),
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    runAsUser: proxy.uid,
    ...(proxy.gid >= 0 ? { runAsGroup: proxy.gid } : {}),
    seccompProfile: { type: "RuntimeDefault" },
  };
}

function lifecycleOf(proxy: ProxyValues): Pick<Container, "lifecycle"> {
  if (proxy.nativeSidecar || !(proxy.await || proxy.waitBeforeExitSeconds > 0)) return {};
  const await_ = ["/usr/lib/linkerd/linkerd-await", "--timeout=2m", `--port=${proxy.ports.admin}`];
  const sleep = ["/bin/sleep", `${proxy.waitBeforeExitSeconds}`];
  return {
    lifecycle: {
      ...(proxy.await ? { postStart: { exec: { command: await_ } } } : {}),
      ...(proxy.waitBeforeExitSeconds > 0 ? { preStop: { exec: { command: sleep } } } : {}),
    },
  };
}

function proxyMounts(values: Values, { tokenMount }: PodTraits): VolumeMount[] {
  const mounts: VolumeMount[] = [
    { mountPath: "/var/run/linkerd/identity/end-entity", name: "linkerd-identity-end-entity" },
  ];
  if (values.proxy.tracing.enabled) mounts.push({ mountPath: "/var/run/linkerd/podinfo", name: "linkerd-podinfo" });
  if (values.identity.serviceAccountTokenProjection) {
    mounts.push({ mountPath: "/var/run/secrets/tokens", name: "linkerd-identity-token" });
  }
  if (tokenMount) mounts.push(tokenMount);
  return mounts;
}

/** Sets the pod's network rules once, before anything else runs. */
export function initContainer(values: Values, traits: PodTraits = {}): Container {
  const { proxyInit } = values;
  const image = { ...proxyInit.image, version: proxyInit.image.version || values.proxy.image.version };
  return {
    name: "linkerd-init",
    image: imageOf(image, values),
    imagePullPolicy: image.pullPolicy || values.imagePullPolicy,
    args: initArgs(values),
    resources: resourcesOf(values.proxy.resources),
    securityContext: initSecurity(proxyInit, traits),
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [{ ...proxyInit.xtMountPath }, ...(traits.tokenMount ? [traits.tokenMount] : [])],
  };
}

function initArgs(values: Values): string[] {
  const { proxy, proxyInit } = values;
  const skipped = [
    proxy.ports.control,
    proxy.ports.admin,
    ...(proxyInit.ignoreInboundPorts ? [proxyInit.ignoreInboundPorts] : []),
  ];
  const option = (name: string, value: string): string[] => (value === "" ? [] : [name, value]);
  return [
    ...iptablesArgs(proxyInit.iptablesMode || "legacy"),
    ...(values.disableIPv6 ? ["--ipv6=false"] : []),
    ...option("--incoming-proxy-port", `${proxy.ports.inbound}`),
    ...option("--outgoing-proxy-port", `${proxy.ports.outbound}`),
    ...option("--proxy-uid", `${proxy.uid}`),
    ...option("--proxy-gid", proxy.gid >= 0 ? `${proxy.gid}` : ""),
    ...option("--inbound-ports-to-ignore", skipped.join(",")),
    ...option("--outbound-ports-to-ignore", proxyInit.ignoreOutboundPorts),
    ...option("--timeout-close-wait-secs", closeWaitSeconds(proxyInit)),
    ...option("--log-format", proxyInit.logFormat),
    ...option("--log-level", proxyInit.logLevel),
    ...option("--subnets-to-ignore", proxyInit.skipSubnets),
  ];
}

function iptablesArgs(mode: string): string[] {
  if (mode === "legacy") return [];
  if (mode === "nft") return ["--firewall-bin-path", "iptables-nft", "--firewall-save-bin-path", "iptables-nft-save"];
  throw new Error(`Cannot render linkerd-init: proxyInit.iptablesMode is "${mode}", must be nft or legacy`);
}

function closeWaitSeconds({ closeWaitTimeoutSecs, runAsRoot }: Values["proxyInit"]): string {
  if (!closeWaitTimeoutSecs) return "";
  if (runAsRoot) return `${closeWaitTimeoutSecs}`;
  throw new Error("Cannot render linkerd-init: proxyInit.closeWaitTimeoutSecs needs proxyInit.runAsRoot=true");
}

const INIT_CAPABILITIES = ["NET_ADMIN", "NET_RAW"];

function initSecurity(proxyInit: Values["proxyInit"], { capabilities }: PodTraits): Container["securityContext"] {
  const isPrivileged = proxyInit.closeWaitTimeoutSecs !== 0 || proxyInit.privileged;
  const drop = (capabilities?.drop ?? []).filter((name) => !INIT_CAPABILITIES.includes(name));
  const user = proxyInit.runAsRoot
    ? { runAsGroup: 0, runAsNonRoot: false, runAsUser: 0 }
    : { runAsGroup: proxyInit.runAsGroup || 65534, runAsNonRoot: true, runAsUser: proxyInit.runAsUser || 65534 };
  return {
    allowPrivilegeEscalation: isPrivileged,
    capabilities: {
      add: [...INIT_CAPABILITIES, ...(capabilities?.add ?? [])],
      ...(drop.length > 0 ? { drop } : {}),
    },
    privileged: isPrivileged,
    ...user,
    readOnlyRootFilesystem: true,
    seccompProfile: { type: "RuntimeDefault" },
  };
}

/** Where a CNI plug-in sets the rules: proves that it did before the pod's own containers start. */
export function validatorContainer(values: Values): Container {
  const { networkValidator: validator } = values;
  return {
    name: "linkerd-network-validator",
    image: imageOf(values.proxy.image, values),
    imagePullPolicy: values.proxy.image.pullPolicy || values.imagePullPolicy,
    command: ["/usr/lib/linkerd/linkerd2-network-validator"],
    args: [
      "--log-format",
      validator.logFormat,
      "--log-level",
      validator.logLevel,
      "--connect-addr",
      validator.connectAddr || (values.disableIPv6 ? "1.1.1.1:20001" : "[fd00::1]:20001"),
      "--listen-addr",
      validator.listenAddr || `${values.disableIPv6 ? "0.0.0.0" : "[::]"}:4140`,
      "--timeout",
      validator.timeout,
    ],
    resources: resourcesOf(values.proxy.resources),
    ...(validator.enableSecurityContext === false ? {} : { securityContext: validator.securityContext }),
  };
}

/** A container with network tools, beside the others. Its probes always succeed: some clusters demand probes. */
export function debugContainer(values: Values): Container {
  const { image } = values.debugContainer;
  const probe = { exec: { command: ["true"] } };
  return {
    name: "linkerd-debug",
    image: imageOf(image, values),
    imagePullPolicy: image.pullPolicy || values.imagePullPolicy,
    terminationMessagePolicy: "FallbackToLogsOnError",
    livenessProbe: probe,
    readinessProbe: probe,
  };
}

function resourcesOf(resources: Resources): NonNullable<Container["resources"]> {
  const pick = (bound: "limit" | "request"): Record<string, string> =>
    Object.fromEntries(
      Object.entries(resources).flatMap(([name, amount]) => (amount?.[bound] ? [[name, amount[bound]]] : [])),
    );
  const limits = pick("limit");
  const requests = pick("request");
  return {
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
    ...(Object.keys(requests).length > 0 ? { requests } : {}),
  };
}

/** What the mesh's containers take over from a pod's first container. */
export function traitsOf(spec: PodSpec): PodTraits {
  const first = spec.containers?.[0];
  const given = first?.securityContext?.capabilities;
  const capabilities = given && (given.add?.length || given.drop?.length) ? given : undefined;
  const mount = first?.volumeMounts?.find((one) => one.mountPath === "/var/run/secrets/kubernetes.io/serviceaccount");
  const tokenMount = mount && { mountPath: mount.mountPath, name: mount.name, readOnly: mount.readOnly ?? false };
  return { ...(capabilities ? { capabilities } : {}), ...(tokenMount ? { tokenMount } : {}) };
}
