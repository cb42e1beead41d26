import { ApiError, CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, type KubeClient } from "#kube";
import { parseYamlAll } from "#lib/yaml";
import { CONFIG_MAP, type DeepPartial, defaultValues, type Values } from "#manifests/install";
import { CliError, messageOf } from "./cli-error.ts";

/** The values in force, as the control plane's ConfigMap holds them (without keys); undefined when it is not there. */
export async function storedValues(client: KubeClient, namespace: string): Promise<Values | undefined> {
  const config = await client.get(CONFIG_MAPS, CONFIG_MAP, namespace);
  if (!config) return undefined;
  const text = config.data?.["values"];
  if (text === undefined)
    throw new CliError(`Cannot read ConfigMap ${namespace}/${CONFIG_MAP}: it has no key "values"`);
  try {
    return defaultValues((parseYamlAll(text)[0] ?? {}) as DeepPartial<Values>);
  } catch (cause) {
    throw new CliError(`Cannot read ConfigMap ${namespace}/${CONFIG_MAP}: ${messageOf(cause)}`, { cause });
  }
}

/** Which of the named definitions the cluster lacks. */
export async function missingDefinitions(client: KubeClient, names: readonly string[]): Promise<string[]> {
  const { items } = await client.list(CUSTOM_RESOURCE_DEFINITIONS);
  const present = new Set(items.map((crd) => crd.metadata.name));
  return names.filter((name) => !present.has(name));
}

/** What kind of Gateway API a cluster has. */
export async function gatewayApiState(client: KubeClient): Promise<"absent" | "ours" | "foreign"> {
  const crd = await client.get(CUSTOM_RESOURCE_DEFINITIONS, "httproutes.gateway.networking.k8s.io");
  if (!crd) return "absent";
  return crd.metadata.annotations?.["linkerd.io/created-by"] === undefined ? "foreign" : "ours";
}

/** A failure to reach the API server, in words that say what to look at. */
export function unreachable(doing: string, failure: unknown): CliError {
  const hint =
    failure instanceof ApiError && failure.status === 0
      ? "\nCheck that the cluster runs and that the kubeconfig's context is the one you mean (--context, --kubeconfig)."
      : "";
  return new CliError(`${doing}: ${messageOf(failure)}${hint}`, { cause: failure });
}
