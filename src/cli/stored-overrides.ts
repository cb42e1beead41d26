import { type KubeClient, type KubeObject, SECRETS } from "#kube";
import { parseYamlAll } from "#lib/yaml";
import { type DeepPartial, OVERRIDES_SECRET, type Values } from "#manifests/install";
import { CliError, messageOf } from "./cli-error.ts";

/** What install remembered: every value that was not the default, credentials included. */
export async function overridesOnCluster(client: KubeClient, namespace: string): Promise<DeepPartial<Values>> {
  const secret = await client.get(SECRETS, OVERRIDES_SECRET, namespace);
  if (!secret) {
    throw new CliError(
      `Secret ${namespace}/${OVERRIDES_SECRET} not found. If Linkerd was installed with Helm, upgrade it with Helm; otherwise give --from-manifests`,
    );
  }
  return decode(secret.data ?? {});
}

/** As `overridesOnCluster`, from the manifest that install printed. */
export function overridesInManifest(text: string, source: string): DeepPartial<Values> {
  let objects: unknown[];
  try {
    objects = parseYamlAll(text);
  } catch (cause) {
    throw new CliError(`Cannot read ${source}: ${messageOf(cause)}`, { cause });
  }
  const secret = (objects as (KubeObject & { data?: Record<string, string> })[]).find(
    ({ kind, metadata }) => kind === "Secret" && metadata?.name === OVERRIDES_SECRET,
  );
  if (!secret) throw new CliError(`Cannot upgrade from ${source}: it holds no Secret ${OVERRIDES_SECRET}`);
  return decode(secret.data ?? {});
}

function decode(data: Record<string, string>): DeepPartial<Values> {
  const text = Buffer.from(data[OVERRIDES_SECRET] ?? "", "base64").toString("utf8");
  try {
    return (parseYamlAll(text)[0] ?? {}) as DeepPartial<Values>;
  } catch {
    throw new CliError(`Cannot read Secret ${OVERRIDES_SECRET}: its contents are not YAML`); // the parser would quote keys
  }
}
