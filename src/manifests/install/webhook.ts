import type { WebhookValues } from "../values.ts";
import { base64, type Manifest, metadata, type Rendering } from "./object.ts";

export interface Webhook {
  readonly kind: "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration";
  /** `linkerd-<thing>`: the Service's name, and the stem of the others. */
  readonly service: string;
  readonly component: string;
  readonly tls: WebhookValues;
  /** The key under which `tls` stands in the values, for errors. */
  readonly valuesKey: string;
  readonly rules: readonly WebhookRule[];
  readonly objectSelector?: Record<string, unknown>;
  readonly timeoutSeconds?: number;
}

export interface WebhookRule {
  operations: string[];
  apiGroups: string[];
  apiVersions: string[];
  resources: string[];
  scope?: string;
}

/** A webhook's certificate (unless it comes from elsewhere) and the configuration that makes the API server call it. */
export function webhookObjects(rendering: Rendering, webhook: Webhook): Manifest[] {
  checkCertificate(webhook);
  const registration = webhookConfiguration(rendering, webhook);
  return webhook.tls.externalSecret ? [registration] : [tlsSecret(rendering, webhook), registration];
}

function checkCertificate({ tls, valuesKey }: Webhook): void {
  const injected = tls.injectCaFrom !== "" || tls.injectCaFromSecret !== "";
  if (tls.injectCaFrom && tls.injectCaFromSecret) {
    throw new Error(`Cannot render ${valuesKey}: injectCaFrom and injectCaFromSecret are both set, wanted one of them`);
  }
  if (injected && tls.caBundle) {
    throw new Error(`Cannot render ${valuesKey}: caBundle is set beside injectCaFrom, wanted one of them`);
  }
  if (tls.externalSecret && !injected && !tls.caBundle) {
    throw new Error(
      `Cannot render ${valuesKey}: externalSecret is true but no CA is named; set ${valuesKey}.caBundle, injectCaFrom or injectCaFromSecret`,
    );
  }
  if (!tls.externalSecret && (!tls.crtPEM || !tls.keyPEM)) {
    throw new Error(
      `Cannot render ${valuesKey}: no certificate; set ${valuesKey}.crtPEM and ${valuesKey}.keyPEM, or externalSecret`,
    );
  }
}

function tlsSecret(rendering: Rendering, { service, component, tls }: Webhook): Manifest {
  return {
    kind: "Secret",
    apiVersion: "v1",
    metadata: metadata(rendering, `${service}-k8s-tls`, { component, annotated: true }),
    type: "kubernetes.io/tls",
    data: { "tls.crt": base64(tls.crtPEM.trim()), "tls.key": base64(tls.keyPEM.trim()) },
  };
}

function webhookConfiguration(rendering: Rendering, webhook: Webhook): Manifest {
  const { tls, service, component, objectSelector, timeoutSeconds } = webhook;
  const annotations = caAnnotations(tls);
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: webhook.kind,
    metadata: metadata(rendering, `${service}-webhook-config`, { component, namespaced: false, annotations }),
    webhooks: [
      {
        name: `${service}.linkerd.io`,
        namespaceSelector: tls.namespaceSelector,
        ...(objectSelector ? { objectSelector } : {}),
        clientConfig: {
          service: { name: service, namespace: rendering.namespace, path: "/" },
          ...(Object.keys(annotations).length === 0 ? { caBundle: base64((tls.caBundle || tls.crtPEM).trim()) } : {}),
        },
        failurePolicy: rendering.values.webhookFailurePolicy,
        admissionReviewVersions: ["v1", "v1beta1"],
        rules: webhook.rules,
        sideEffects: "None",
        ...(timeoutSeconds ? { timeoutSeconds } : {}),
      },
    ],
  };
}

function caAnnotations(tls: WebhookValues): Record<string, string> {
  if (tls.injectCaFrom) return { "cert-manager.io/inject-ca-from": tls.injectCaFrom };
  if (tls.injectCaFromSecret) return { "cert-manager.io/inject-ca-from-secret": tls.injectCaFromSecret };
  return {};
}
