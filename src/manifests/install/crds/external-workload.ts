import type { Manifest } from "../object.ts";
import { ageColumn, type CrdOptions, definition } from "./definition.ts";
import { choice, list, object, port, type Schema, string, text } from "./schema.ts";

/** A meshed workload outside the cluster. */
export function externalWorkload(options: CrdOptions): Manifest {
  const identity = (field: string) => ({ name: "Identity", jsonPath: `.spec.${field}.identity` });
  return definition(options, {
    group: "workload.linkerd.io",
    kind: "ExternalWorkload",
    plural: "externalworkloads",
    categories: ["external"],
    versions: [
      { name: "v1alpha1", columns: [identity("meshTls"), ageColumn], spec: spec("meshTls", 1), status: status() },
      {
        name: "v1beta1",
        storage: true,
        subresource: true,
        columns: [identity("meshTLS"), ageColumn],
        spec: spec("meshTLS", 2),
        status: status(),
      },
    ],
  });
}

/** Between the versions the TLS block changed its spelling, and a second address became possible (IPv6). */
function spec(tlsField: string, maxItems: number): Schema {
  return object({
    [`${tlsField}!`]: object({ "identity!": text(1, 253), "serverName!": text(1, 253) }),
    ports: list(object({ name: string(), "port!": port, protocol: string({ default: "TCP" }) })),
    workloadIPs: list(object({ ip: string() }), { maxItems }),
  });
}

function status(): Schema {
  const time = string({ format: "date-time" });
  return object({
    conditions: list(
      object({
        lastProbeTime: time,
        lastTransitionTime: time,
        message: string({ maxLength: 32768 }),
        reason: text(1, 1024),
        "status!": choice("True", "False", "Unknown"),
        "type!": string({ maxLength: 316 }),
      }),
    ),
  });
}
