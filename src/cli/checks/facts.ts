import {
  CONFIG_MAPS,
  type KubeClient,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  PODS,
  type Pod,
  SECRETS,
  VALIDATING_WEBHOOK_CONFIGURATIONS,
} from "#kube";
import { ISSUER_SECRET, TRUST_ROOTS_CONFIG_MAP, type Values } from "#manifests/install";
import { type Certificate, parseCertificates } from "#x509";
import type { CliContext } from "../context.ts";
import { storedValues } from "../installed.ts";
import { meshedPods } from "../pods.ts";

/** What several checks look at. Only what cannot change during a run is kept; a retried check reads anew. */
export class Facts {
  readonly context: CliContext;
  #values: Values | undefined;

  constructor(context: CliContext) {
    this.context = context;
  }

  get namespace(): string {
    return this.context.linkerdNamespace;
  }

  get nowMs(): number {
    return this.context.io.clock.wallMs();
  }

  client(): Promise<KubeClient> {
    return this.context.client();
  }

  /** The values in force; throws when the control plane's ConfigMap is not there. */
  async values(): Promise<Values> {
    this.#values ??= await storedValues(await this.client(), this.namespace);
    if (!this.#values) throw new Error(`configmaps "linkerd-config" not found`);
    return this.#values;
  }

  async trustAnchors(): Promise<{ pem: string; certificates: Certificate[] }> {
    const map = await (await this.client()).get(CONFIG_MAPS, TRUST_ROOTS_CONFIG_MAP, this.namespace);
    const pem = map?.data?.["ca-bundle.crt"];
    if (!pem) throw new Error(`ConfigMap ${TRUST_ROOTS_CONFIG_MAP} is missing or has no key "ca-bundle.crt"`);
    const certificates = parseCertificates(pem);
    if (certificates.length === 0) throw new Error(`ConfigMap ${TRUST_ROOTS_CONFIG_MAP} holds no PEM certificate`);
    return { pem, certificates };
  }

  /** The issuer's chain and key, from the Secret in the form that the scheme says. */
  async issuer(): Promise<{ chain: Certificate[]; keyPem: string }> {
    const { scheme } = (await this.values()).identity.issuer;
    const [crt, key] = scheme === "kubernetes.io/tls" ? ["tls.crt", "tls.key"] : ["crt.pem", "key.pem"];
    const pair = await this.secretTexts(ISSUER_SECRET, [crt!, key!]);
    const chain = parseCertificates(pair[0]!);
    if (chain.length === 0) throw new Error(`key ${crt} of Secret ${ISSUER_SECRET} holds no PEM certificate`);
    return { chain, keyPem: pair[1]! };
  }

  /** Keys of a Secret as text; throws naming what is missing. */
  async secretTexts(name: string, keys: readonly string[]): Promise<string[]> {
    const secret = await (await this.client()).get(SECRETS, name, this.namespace);
    if (!secret) throw new Error(`secrets "${name}" not found in the namespace ${this.namespace}`);
    return keys.map((key) => {
      const data = secret.data?.[key];
      if (data === undefined) throw new Error(`key ${key} containing the certificate needs to exist in secret ${name}`);
      return Buffer.from(data, "base64").toString("utf8");
    });
  }

  /** The bundle with which the API server verifies a webhook; undefined when it is not registered. */
  async caBundle(configuration: string, kind: "mutating" | "validating"): Promise<string | undefined> {
    const client = await this.client();
    const found =
      kind === "mutating"
        ? await client.get(MUTATING_WEBHOOK_CONFIGURATIONS, configuration)
        : await client.get(VALIDATING_WEBHOOK_CONFIGURATIONS, configuration);
    if (!found) return undefined;
    return Buffer.from(found.webhooks?.[0]?.clientConfig.caBundle ?? "", "base64").toString("utf8");
  }

  async controlPlanePods(): Promise<Pod[]> {
    const labelSelector = "linkerd.io/control-plane-component";
    return (await (await this.client()).list(PODS, { namespace: this.namespace, labelSelector })).items;
  }

  /** Meshed pods outside the control plane, or all of one namespace. */
  async dataPlanePods(namespace: string): Promise<Pod[]> {
    const pods = await meshedPods(await this.client(), this.namespace, namespace || undefined);
    return namespace ? pods : pods.filter((pod) => pod.metadata.namespace !== this.namespace);
  }
}
