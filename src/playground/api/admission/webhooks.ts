import type { Clock } from "#lib/clock";
import type { Log } from "#lib/log";
import type { Random } from "#lib/random";
import { type KubeObject, sameJson } from "../../store/object.ts";
import { apiVersionOf, type ResourceType } from "../../store/resources.ts";
import { StatusError, type StatusReason } from "../../store/status.ts";
import type { Store } from "../../store/store.ts";
import { applyJsonPatch } from "../patch/json.ts";
import type { Types } from "../types.ts";
import type { Admission, AdmissionRequest } from "./admission.ts";
import { admitServiceAccount } from "./service-account.ts";
import { callWebhook, type Verdict } from "./webhook-call.ts";
import { matchWebhook, meetsConditions, type Webhook } from "./webhook-match.ts";

const GROUP = "admissionregistration.k8s.io";

export interface AdmissionParts {
  readonly store: Store;
  readonly types: Types;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Everything that may change or refuse a write, in Kubernetes' order: service accounts, mutating webhooks (by
 * configuration name, then once more those that ask for it), validating webhooks.
 */
export class AdmissionChain implements Admission {
  readonly #parts: AdmissionParts;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  async mutate(request: AdmissionRequest, settle: (object: KubeObject) => KubeObject): Promise<KubeObject> {
    const withAccount = admitServiceAccount(request, this.#parts.store)!;
    let object = withAccount === request.object ? withAccount : settle(withAccount);
    const hooks = this.#hooks("mutatingwebhookconfigurations", request);
    const seen = new Map<Webhook, KubeObject>();
    for (const webhook of hooks) {
      object = await this.#mutateBy(webhook, { ...request, object }, settle);
      seen.set(webhook, object);
    }
    for (const webhook of hooks) {
      if (webhook.reinvocationPolicy !== "IfNeeded" || sameJson(seen.get(webhook), object)) continue;
      object = await this.#mutateBy(webhook, { ...request, object }, settle);
    }
    return object;
  }

  async validate(request: AdmissionRequest): Promise<void> {
    await Promise.all(
      this.#hooks("validatingwebhookconfigurations", request).map(async (webhook) => {
        const asked = await this.#ask(webhook, request);
        if (asked && !asked.verdict.isAllowed) throw denied(webhook, asked.verdict);
      }),
    );
  }

  async #mutateBy(
    webhook: Webhook,
    request: AdmissionRequest,
    settle: (object: KubeObject) => KubeObject,
  ): Promise<KubeObject> {
    const object = request.object!;
    const asked = await this.#ask(webhook, request);
    if (!asked) return object;
    if (!asked.verdict.isAllowed) throw denied(webhook, asked.verdict);
    if (!asked.verdict.patch?.length) return object;
    try {
      const sent = { ...object, apiVersion: apiVersionOf(asked.type), kind: asked.type.kind };
      const patched = applyJsonPatch(sent, asked.verdict.patch);
      return settle({ ...patched, apiVersion: apiVersionOf(request.type), kind: request.type.kind });
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      this.#failed(webhook, new Error(`its patch does not apply: ${why}`));
      return object;
    }
  }

  /** The answer of a webhook that wants the request; undefined when it does not, or failed and may be ignored. */
  async #ask(
    webhook: Webhook,
    request: AdmissionRequest,
  ): Promise<{ verdict: Verdict; type: ResourceType } | undefined> {
    const type = matchWebhook(webhook, request, this.#parts.store, this.#parts.types);
    if (!type) return undefined;
    try {
      if (!meetsConditions(webhook, request, this.#parts.types)) return undefined;
      const verdict = await callWebhook(webhook, request, type, this.#parts);
      for (const warning of verdict.warnings) request.warn(warning);
      return { verdict, type };
    } catch (thrown) {
      this.#failed(webhook, thrown as Error);
      return undefined;
    }
  }

  /** Refuses the request unless the webhook's failurePolicy says to go on without it. */
  #failed(webhook: Webhook, cause: Error): void {
    const message = `failed calling webhook ${JSON.stringify(webhook.name)}: ${cause.message}`;
    if (webhook.failurePolicy !== "Ignore")
      throw new StatusError("InternalError", `Internal error occurred: ${message}`);
    this.#parts.log.warn("Went on without a webhook, as its failurePolicy is Ignore", {
      webhook: webhook.name,
      cause: cause.message,
    });
  }

  /** In order of configuration names. Webhook configurations themselves are never sent to webhooks. */
  #hooks(resource: string, request: AdmissionRequest): Webhook[] {
    if (request.type.group === GROUP) return [];
    return this.#parts.store.list(`${resource}.${GROUP}`).flatMap((config) => (config["webhooks"] ?? []) as Webhook[]);
  }
}

function denied(webhook: Webhook, verdict: Verdict): StatusError {
  const why = verdict.message ? `: ${verdict.message}` : " without explanation";
  const reason = (verdict.reason ??
    (verdict.code === 403 || verdict.code === undefined ? "Forbidden" : "BadRequest")) as StatusReason;
  return new StatusError(
    reason,
    `admission webhook ${JSON.stringify(webhook.name)} denied the request${why}`,
    undefined,
    verdict.code ?? 403,
  );
}
