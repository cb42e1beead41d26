import type { ApiClient } from "./api/in-process.ts";
import type { DataReader } from "./node/environment.ts";

/** Reads ConfigMaps and Secrets from the API's memory as bytes by key. */
export function dataReader(client: ApiClient): DataReader {
  return (kind, namespace, name) => {
    const object = client.get(kind === "Secret" ? "secrets" : "configmaps", namespace, name);
    if (!object) return undefined;
    const data = new Map<string, Uint8Array>();
    const plain = (object["data"] ?? {}) as Record<string, string>;
    for (const [key, value] of Object.entries(plain))
      data.set(key, Buffer.from(value, kind === "Secret" ? "base64" : "utf8"));
    const binary = (object["binaryData"] ?? {}) as Record<string, string>;
    for (const [key, value] of Object.entries(binary)) data.set(key, Buffer.from(value, "base64"));
    return data;
  };
}
