import type { KubeObject } from "../store/object.ts";
import { StatusError } from "../store/status.ts";
import { type Controller, type ControllerContext, keyOf, splitKey } from "./controller.ts";
import { WorkQueue } from "./work-queue.ts";

const ROOT_CA = "kube-root-ca.crt";

/** Gives every namespace its `default` ServiceAccount and the API server's certificate authority. */
export function serviceAccounts(authorityPem: string): Controller {
  return (context) => {
    const queue = new WorkQueue("namespace-content", context, (key) =>
      ensure(context, splitKey(key).name, authorityPem),
    );
    const again = ({ type, object }: { type: string; object: KubeObject }): void => {
      if (type === "DELETED") queue.add(`/${object.metadata.namespace}`);
    };
    const stops = [
      context.client.watch("namespaces", {}, ({ object }) => queue.add(keyOf(object))),
      context.client.watch("serviceaccounts", { fieldSelector: "metadata.name=default" }, again),
      context.client.watch("configmaps", { fieldSelector: `metadata.name=${ROOT_CA}` }, again),
    ];
    return () => {
      for (const stop of stops) stop();
      queue.stop();
    };
  };
}

async function ensure(context: ControllerContext, namespace: string, authorityPem: string): Promise<void> {
  const found = context.client.get("namespaces", undefined, namespace);
  if (!found || found.metadata.deletionTimestamp) return;
  await createOnce(context, "serviceaccounts", {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "default", namespace },
  });
  await createOnce(context, "configmaps", {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: ROOT_CA, namespace },
    data: { "ca.crt": authorityPem },
  });
}

async function createOnce(context: ControllerContext, resource: string, object: KubeObject): Promise<void> {
  if (context.client.get(resource, object.metadata.namespace, object.metadata.name)) return;
  try {
    await context.client.create(resource, object);
  } catch (cause) {
    if (!(cause instanceof StatusError && cause.reason === "AlreadyExists")) throw cause;
  }
}
