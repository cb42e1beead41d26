import { CUSTOM_RESOURCE_DEFINITIONS } from "#kube";
import { requiredCrdNames } from "#manifests/install";
import { missingDefinitions } from "../installed.ts";
import type { Category } from "./engine.ts";
import type { Facts } from "./facts.ts";

/** The oldest Kubernetes that native sidecars and the rest of what is used are stable in. */
const MINIMUM_VERSION = [1, 31, 0] as const;

export function kubernetesApi(facts: Facts): Category {
  return {
    id: "kubernetes-api",
    checks: [
      {
        description: "can initialize the client",
        hint: "k8s-api",
        fatal: true,
        run: async () => void (await facts.client()),
      },
      {
        description: "can query the Kubernetes API",
        hint: "k8s-api",
        fatal: true,
        run: async () => void (await serverVersion(facts)),
      },
    ],
  };
}

export function kubernetesVersion(facts: Facts): Category {
  const run = async () => {
    const { gitVersion } = await serverVersion(facts);
    if (isOlder(gitVersion)) {
      throw new Error(
        `Kubernetes is on version [${gitVersion}], but version [${MINIMUM_VERSION.join(".")}] or more recent is required`,
      );
    }
  };
  const description = "is running the minimum Kubernetes API version";
  return { id: "kubernetes-version", checks: [{ description, hint: "k8s-version", run }] };
}

async function serverVersion(facts: Facts): Promise<{ gitVersion: string }> {
  const answer = JSON.parse(await (await facts.client()).raw("/version")) as { gitVersion?: string };
  if (!answer.gitVersion) throw new Error("the API server does not tell its version");
  return { gitVersion: answer.gitVersion };
}

function isOlder(version: string): boolean {
  const parts = /^v?([0-9]+)\.([0-9]+)(?:\.([0-9]+))?/.exec(version);
  if (!parts) throw new Error(`cannot read the Kubernetes version "${version}"`);
  for (let index = 0; index < 3; index++) {
    const difference = Number(parts[index + 1] ?? 0) - MINIMUM_VERSION[index]!;
    if (difference !== 0) return difference < 0;
  }
  return false;
}

const GATEWAY_VERSION = "v1";

export function gatewayApi(facts: Facts): Category {
  const run = async () => {
    for (const plural of ["httproutes", "grpcroutes"]) {
      const name = `${plural}.gateway.networking.k8s.io`;
      const crd = await (await facts.client()).get(CUSTOM_RESOURCE_DEFINITIONS, name);
      if (!crd) {
        throw new Error(
          `the Gateway API CRD ${name} is not installed. Install the Gateway API, or let Linkerd bring it:\n\nlinkerd install --crds --set installGatewayAPI=true | kubectl apply -f -`,
        );
      }
      const isServed = crd.spec.versions.some((version) => version.name === GATEWAY_VERSION && version.served);
      if (!isServed)
        throw new Error(`the Gateway API CRD ${name} does not serve ${GATEWAY_VERSION}: v1.1.1 or later is needed`);
    }
  };
  const description = "Gateway API CRDs are installed";
  return { id: "gateway-api-crd", checks: [{ description, hint: "gateway-api-crd", fatal: true, run }] };
}

/** Whether every definition that the control plane needs is there. */
export async function requireDefinitions(facts: Facts): Promise<void> {
  const missing = await missingDefinitions(await facts.client(), requiredCrdNames());
  if (missing.length > 0) throw new Error(missing.map((name) => `missing ${name}`).join("\n"));
}

export function linkerdCrds(facts: Facts): Category {
  return {
    id: "linkerd-crd",
    checks: [
      {
        description: "control plane CustomResourceDefinitions exist",
        hint: "l5d-existence-crd",
        fatal: true,
        retry: true,
        run: () => requireDefinitions(facts),
      },
    ],
  };
}
