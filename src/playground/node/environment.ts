import type { Container, EnvVar, Pod } from "#kube/types";
import { API_ADDRESS } from "./addresses.ts";
import { podField, resourceField } from "./downward.ts";
import { expand } from "./expansion.ts";

/** Reads the data of a ConfigMap or Secret as text by key; undefined when there is no such object. */
export type DataReader = (
  kind: "ConfigMap" | "Secret",
  namespace: string,
  name: string,
) => ReadonlyMap<string, Uint8Array> | undefined;

/** Something the container refers to is not there (yet): it waits with this reason and is tried again. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

export interface EnvironmentInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly podIp: string;
  readonly imageEnv: Readonly<Record<string, string>>;
  readonly read: DataReader;
}

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The container's environment: what the runtime sets, the image's, `envFrom`, then `env` in order, later ones winning. */
export function environmentOf(input: EnvironmentInput): Map<string, string> {
  const env = new Map<string, string>([
    ["PATH", PATH],
    ["HOSTNAME", input.pod.spec?.hostname ?? input.pod.metadata.name],
    ["KUBERNETES_SERVICE_HOST", API_ADDRESS],
    ["KUBERNETES_SERVICE_PORT", "443"],
    ["KUBERNETES_SERVICE_PORT_HTTPS", "443"],
    ["KUBERNETES_PORT", `tcp://${API_ADDRESS}:443`],
    ...Object.entries(input.imageEnv),
  ]);
  addSources(env, input);
  for (const entry of input.container.env ?? []) {
    const value = entry.valueFrom ? referred(entry, input) : expand(entry.value ?? "", env);
    if (value !== undefined) env.set(entry.name, value);
  }
  return env;
}

function addSources(env: Map<string, string>, { pod, container, read }: EnvironmentInput): void {
  const namespace = pod.metadata.namespace ?? "default";
  for (const source of container.envFrom ?? []) {
    const kind = source.configMapRef ? "ConfigMap" : "Secret";
    const ref = source.configMapRef ?? source.secretRef;
    if (!ref?.name) continue;
    const data = read(kind, namespace, ref.name);
    if (!data && !ref.optional) throw new ConfigError(`${kind.toLowerCase()} "${ref.name}" not found`);
    for (const [key, bytes] of data ?? []) env.set(`${source.prefix ?? ""}${key}`, text(bytes));
  }
}

function referred(entry: EnvVar, input: EnvironmentInput): string | undefined {
  const from = entry.valueFrom!;
  if (from.fieldRef)
    return podField(input.pod, from.fieldRef.fieldPath, input.podIp) ?? unknown(entry, from.fieldRef.fieldPath);
  if (from.resourceFieldRef) {
    const { resource, divisor, containerName } = from.resourceFieldRef;
    const all = [...(input.pod.spec?.containers ?? []), ...(input.pod.spec?.initContainers ?? [])];
    const target = all.find((c) => c.name === containerName) ?? input.container;
    return resourceField(target, resource, divisor as string | undefined) ?? unknown(entry, resource);
  }
  const ref = from.configMapKeyRef ?? from.secretKeyRef;
  return ref ? dataValue(from.configMapKeyRef ? "ConfigMap" : "Secret", ref, input) : undefined;
}

function dataValue(
  kind: "ConfigMap" | "Secret",
  ref: { name?: string; key: string; optional?: boolean },
  input: EnvironmentInput,
): string | undefined {
  const data = input.read(kind, input.pod.metadata.namespace ?? "default", ref.name ?? "");
  const bytes = data?.get(ref.key);
  if (bytes) return text(bytes);
  if (ref.optional) return undefined;
  const what = kind.toLowerCase();
  throw new ConfigError(
    data
      ? `couldn't find key ${ref.key} in ${kind} ${input.pod.metadata.namespace}/${ref.name}`
      : `${what} "${ref.name}" not found`,
  );
}

function unknown(entry: EnvVar, path: string): never {
  throw new ConfigError(`Cannot set ${entry.name}: field "${path}" is not one the downward API knows`);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
