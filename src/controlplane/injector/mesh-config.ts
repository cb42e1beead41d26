import { readTextIfThere } from "#lib/files";
import { parseYamlAll } from "#lib/yaml";
import { type DeepPartial, defaultValues, type Values } from "#manifests/inject";

export interface MeshConfigPaths {
  /** The key `values` of ConfigMap `linkerd-config`. */
  readonly values: string;
  /** The trust roots, PEM. */
  readonly trustRoots: string;
}

export const MOUNTED_CONFIG: MeshConfigPaths = {
  values: "/var/run/linkerd/config/values",
  trustRoots: "/var/run/linkerd/identity/trust-roots/ca-bundle.crt",
};

/**
 * The mesh's values as mounted now, with the roots that are in force now. Read for every request: a changed ConfigMap
 * counts for the next pod, without a restart. Keys that an older release did not write have this release's defaults.
 */
export function readMeshConfig(paths: MeshConfigPaths): Values {
  const trustRoots = required(paths.trustRoots, "the mesh's trust roots");
  const [values] = parseYamlAll(required(paths.values, "the mesh's values"));
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    throw new Error(`Cannot read the mesh's values: "${paths.values}" must hold one YAML map`);
  }
  const overrides: DeepPartial<Values> = { ...values, identityTrustAnchorsPEM: trustRoots };
  return checked(defaultValues(overrides));
}

function required(path: string, what: string): string {
  const text = readTextIfThere(path);
  if (text === undefined) throw new Error(`Cannot read ${what}: no file "${path}"`);
  return text;
}

function checked(values: Values): Values {
  for (const network of values.clusterNetworks.split(",")) {
    if (!/^[0-9a-fA-F.:]+\/\d{1,3}$/.test(network.trim())) {
      throw new Error(
        `Cannot use clusterNetworks of the mesh's values: "${network}" must be a network like 10.0.0.0/8`,
      );
    }
  }
  return values;
}
