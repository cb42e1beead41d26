import { VERSION } from "#contracts/version";
import type { Log } from "#lib/log";
import {
  type Decision,
  decide,
  explain,
  type FindOwners,
  injectPatch,
  type Manifest,
  type Owner,
  opaquePortsPatch,
  readWorkload,
  resolveOwner,
  type Values,
  type Workload,
} from "#manifests/inject";
import { type AdmissionAnswer, type AdmissionRequest, ALLOWED } from "../serve/admission.ts";
import type { RecordEvent } from "./events.ts";
import type { AdmissionLabels, InjectorMetrics } from "./injector-metrics.ts";

export interface InjectorOptions {
  readonly controlPlaneNs: string;
  /** Asked for every request. Throws when the mesh's configuration cannot be read. */
  readonly readConfig: () => Values;
  /** Throws when there is no such namespace or nobody to ask. */
  readonly namespaceAnnotations: (namespace: string) => Promise<Readonly<Record<string, string>>>;
  readonly findOwners: FindOwners;
  readonly recordEvent: RecordEvent;
  readonly metrics: InjectorMetrics;
  readonly log: Log;
}

interface Admission {
  readonly request: AdmissionRequest;
  readonly workload: Workload;
  readonly namespace: string;
  readonly namespaceAnnotations: Readonly<Record<string, string>>;
  readonly values: Values;
  readonly decision: Decision;
  readonly owner: Owner;
}

/** Answers the API server for every pod and Service that is about to be made: with a patch, or with nothing. */
export class Injector {
  readonly #options: InjectorOptions;

  constructor(options: InjectorOptions) {
    this.#options = options;
  }

  /** Never refuses: an object is let through as it is, or patched. Throws when the mesh itself is not in order. */
  async review(request: AdmissionRequest): Promise<AdmissionAnswer> {
    const workload = readWorkload({ ...request.object, kind: request.kind?.kind } as Manifest);
    if (!request.object || !workload) return ALLOWED;
    const admission = await this.#gather(request, workload);
    const labels = labelsOf(admission);
    this.#options.metrics.request(labels);
    return admission.decision.isInjectable ? this.#inject(admission, labels) : this.#skip(admission, labels);
  }

  async #gather(request: AdmissionRequest, workload: Workload): Promise<Admission> {
    const namespace = request.namespace ?? workload.namespace;
    const values = this.#options.readConfig();
    const namespaceAnnotations = await this.#options.namespaceAnnotations(namespace);
    const owner = await this.#ownerOf(workload, namespace);
    const projectsToken = values.identity.serviceAccountTokenProjection;
    const decision = decide({ workload, namespaceAnnotations, projectsToken });
    return { request, workload, namespace, namespaceAnnotations, values, decision, owner };
  }

  async #ownerOf(workload: Workload, namespace: string): Promise<Owner> {
    if (workload.kind === "pod") return resolveOwner(workload.metadata, namespace, this.#options.findOwners);
    return { kind: workload.kind, name: workload.name, apiVersion: "v1", uid: workload.metadata.uid };
  }

  #inject(admission: Admission, labels: AdmissionLabels): AdmissionAnswer {
    const { workload, namespace, namespaceAnnotations, values, owner } = admission;
    const { patch, warnings } = injectPatch({
      workload,
      values,
      namespace,
      namespaceAnnotations,
      owner,
      controlPlaneNs: this.#options.controlPlaneNs,
      createdBy: `linkerd/proxy-injector ${VERSION}`,
    });
    this.#tell(admission, { type: "Normal", reason: "Injected", message: "Linkerd sidecar proxy injected" });
    for (const message of warnings) this.#tell(admission, { type: "Warning", reason: "AnnotationIgnored", message });
    this.#options.metrics.response(labels, [], false);
    this.#options.log.info("Injected", { kind: owner.kind, name: owner.name, namespace, warnings: warnings.length });
    return { isAllowed: true, patch, warnings };
  }

  #skip(admission: Admission, labels: AdmissionLabels): AdmissionAnswer {
    const { workload, namespace, namespaceAnnotations, values, decision, owner } = admission;
    const patch = opaquePortsPatch(workload, namespaceAnnotations, values.proxy.opaquePorts);
    const isPod = workload.kind === "pod";
    const message = `Linkerd sidecar proxy injection skipped: ${explain(decision.reasons)}`;
    if (isPod) this.#tell(admission, { type: "Normal", reason: "InjectionSkipped", message });
    if (patch.length > 0) this.#options.metrics.response(labels, decision.reasons, false);
    else if (isPod) this.#options.metrics.response(labels, decision.reasons, true);
    this.#options.log.debug("Skipped", { kind: owner.kind, name: owner.name, namespace, reasons: message });
    const isMistake = decision.reasons.some((reason) => reason.startsWith("invalid_inject_annotation"));
    return { isAllowed: true, patch, ...(isPod && isMistake ? { warnings: [message] } : {}) };
  }

  #tell({ request, owner, namespace }: Admission, notice: Parameters<RecordEvent>[2]): void {
    if (!request.dryRun) this.#options.recordEvent(owner, namespace, notice);
  }
}

function labelsOf({ workload, namespace, decision, owner }: Admission): AdmissionLabels {
  const annotations = workload.metadata.annotations ?? {};
  return { ownerKind: owner.kind, namespace, annotationAt: decision.annotationAt, annotations };
}
