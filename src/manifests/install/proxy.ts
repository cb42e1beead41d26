import type { Container, PodSpec } from "#kube/types";
import { initContainer, proxyContainer, validatorContainer } from "../inject/containers.ts";
import { proxyVolumes, xtablesVolume } from "../inject/volumes.ts";
import { type DeepPartial, mergeValues, type PartialResources, type Values } from "../values.ts";
import type { Rendering } from "./object.ts";

interface OwnProxy {
  readonly podInboundPorts: readonly number[];
  readonly requireTLSOnInboundPorts?: string;
  readonly await?: boolean;
  readonly nativeSidecar?: boolean;
  readonly resources?: PartialResources;
}

/** The values as the proxy of a control-plane pod sees them: what workloads may tune is fixed here. */
export function proxyValues({ values }: Rendering, own: OwnProxy): Values {
  const { podInboundPorts, ...rest } = own;
  const fixed: DeepPartial<Values> = {
    proxy: {
      ...rest,
      podInboundPorts: podInboundPorts.join(","),
      waitBeforeExitSeconds: 0,
      outboundDiscoveryCacheUnusedTimeout: "5s",
      inboundDiscoveryCacheUnusedTimeout: "90s",
      // Webhook calls come from the API server, which need not be inside the cluster's networks.
      defaultInboundPolicy: "all-unauthenticated",
    },
    // The programs reach the API server before their proxy is up.
    proxyInit: { ignoreOutboundPorts: values.proxyInit.kubeAPIServerPorts },
  };
  return mergeValues(
    values as unknown as Record<string, unknown>,
    fixed as Record<string, unknown>,
  ) as unknown as Values;
}

/** The pod with its own proxy, placed where injection would place it. */
export function withProxy(
  spec: PodSpec,
  { namespace }: Rendering,
  component: { readonly name: "identity" | "destination" | "proxy-injector"; readonly proxyValues: Values },
): PodSpec {
  const { proxyValues: values, name } = component;
  const traits = { capabilities: { drop: ["ALL"] } };
  const proxy = proxyContainer(
    {
      values,
      controlPlaneNs: namespace,
      podInboundPorts: values.proxy.podInboundPorts ?? "",
      component: `linkerd-${name}`,
    },
    traits,
  );
  const first = values.cniEnabled ? validatorContainer(values) : initContainer(values, traits);
  return {
    ...spec,
    containers: placed(spec.containers, proxy, values, name),
    initContainers: values.proxy.nativeSidecar ? [first, proxy] : [first],
    volumes: [...(spec.volumes ?? []), ...(values.cniEnabled ? [] : [xtablesVolume(values)]), ...proxyVolumes(values)],
  };
}

function placed(containers: Container[], proxy: Container, values: Values, name: string): Container[] {
  if (values.proxy.nativeSidecar) return containers;
  // Identity starts first: its own proxy can have no certificate before.
  return name === "identity" ? [...containers, proxy] : [proxy, ...containers];
}
