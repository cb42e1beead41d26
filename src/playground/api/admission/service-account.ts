import { nameSuffix } from "#lib/random";
import { cloneObject, isObject, type KubeObject } from "../../store/object.ts";
import { StatusError } from "../../store/status.ts";
import type { Store } from "../../store/store.ts";
import type { AdmissionRequest } from "./admission.ts";

type Fields = Record<string, unknown>;

/** Where Kubernetes puts a pod's own credentials. */
const MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
/** An hour and seven seconds: how Kubernetes tells its own projected tokens from others. */
const TOKEN_SECONDS = 3_607;

/**
 * A new pod with its service account: the name, the account's pull secrets, and a projected volume with token, CA and
 * namespace in every container that does not mount something there itself. Returns a copy; other writes as they are.
 */
export function admitServiceAccount(request: AdmissionRequest, store: Store): KubeObject | undefined {
  const { type, operation, subresource, object } = request;
  if (!object || type.kind !== "Pod" || type.group !== "" || operation !== "CREATE" || subresource) return object;
  const pod = cloneObject(object);
  const spec = pod["spec"] as Fields;
  if (!isObject(spec)) return object;
  spec["serviceAccountName"] ||= "default";
  spec["serviceAccount"] = spec["serviceAccountName"];
  const name = String(spec["serviceAccountName"]);
  const account = store.get("serviceaccounts", request.namespace, name);
  if (!account)
    throw StatusError.forbidden(
      "pods",
      request.name,
      `error looking up service account ${request.namespace}/${name}: serviceaccount "${name}" not found`,
    );
  if (spec["imagePullSecrets"] === undefined && account["imagePullSecrets"])
    spec["imagePullSecrets"] = account["imagePullSecrets"];
  if (spec["automountServiceAccountToken"] ?? account["automountServiceAccountToken"] ?? true) mountToken(spec);
  return pod;
}

function mountToken(spec: Fields): void {
  const volumes = Array.isArray(spec["volumes"]) ? (spec["volumes"] as Fields[]) : [];
  const existing = volumes.find((volume) => String(volume["name"]).startsWith("kube-api-access-"));
  const name = existing ? String(existing["name"]) : `kube-api-access-${nameSuffix(5)}`;
  let isMounted = false;
  for (const group of ["initContainers", "containers"]) {
    for (const container of (spec[group] ?? []) as Fields[]) {
      const mounts = (container["volumeMounts"] ?? []) as Fields[];
      if (mounts.some((mount) => mount["mountPath"] === MOUNT_PATH)) continue;
      container["volumeMounts"] = [...mounts, { name, readOnly: true, mountPath: MOUNT_PATH }];
      isMounted = true;
    }
  }
  if (isMounted && !existing) spec["volumes"] = [...volumes, tokenVolume(name)];
}

function tokenVolume(name: string): Fields {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: "token" } },
        { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        {
          downwardAPI: {
            items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
          },
        },
      ],
    },
  };
}
