import { type Certificate, parseCertificates, parsePrivateKey, publicKeyDer, verifyChain } from "#x509";
import { type Category, type Check, SkipCheck } from "./engine.ts";
import type { Facts } from "./facts.ts";
import { expiryProblem } from "./identity.ts";

const WEBHOOKS = [
  { name: "proxy-injector", kind: "mutating", optional: false },
  { name: "sp-validator", kind: "validating", optional: false },
  { name: "policy-validator", kind: "validating", optional: true },
] as const;

/** The API server must trust each webhook's certificate, and its key must be its own. */
export function webhooks(facts: Facts): Category {
  return { id: "linkerd-webhooks-and-apisvc-tls", checks: WEBHOOKS.flatMap((webhook) => pair(facts, webhook)) };
}

function pair(facts: Facts, webhook: (typeof WEBHOOKS)[number]): Check[] {
  const { name } = webhook;
  return [
    {
      description: `${name} webhook has valid cert`,
      hint: `l5d-${name}-webhook-cert-valid`,
      fatal: true,
      run: () => requireTrusted(facts, webhook),
    },
    {
      description: `${name} cert is valid for at least 60 days`,
      hint: `l5d-${name}-webhook-cert-not-expiring-soon`,
      warning: true,
      run: async () => {
        await bundleOf(facts, webhook);
        const problem = expiryProblem((await serving(facts, name)).chain[0]!, facts.nowMs);
        if (problem) throw new Error(`certificate ${problem}`);
      },
    },
  ];
}

async function requireTrusted(facts: Facts, webhook: (typeof WEBHOOKS)[number]): Promise<void> {
  const roots = parseCertificates(await bundleOf(facts, webhook));
  const { chain, keyPem } = await serving(facts, webhook.name);
  const [certificate, ...intermediates] = chain;
  const verdict = verifyChain({ certificate: certificate!, intermediates, roots, nowMs: facts.nowMs });
  if (verdict.error)
    throw new Error(`the webhook's certificate does not verify against its caBundle: ${verdict.error}`);
  const host = `linkerd-${webhook.name}.${facts.namespace}.svc`;
  if (!certificate!.dnsNames.includes(host)) {
    throw new Error(
      `the webhook's certificate is valid for ${certificate!.dnsNames.join(", ") || "no name"}, not for ${host}`,
    );
  }
  if (!Buffer.from(publicKeyDer(parsePrivateKey(keyPem))).equals(Buffer.from(certificate!.publicKeyDer))) {
    throw new Error("the webhook's key does not belong to its certificate");
  }
}

async function bundleOf(facts: Facts, { name, kind, optional }: (typeof WEBHOOKS)[number]): Promise<string> {
  const configuration = `linkerd-${name}-webhook-config`;
  const bundle = await facts.caBundle(configuration, kind);
  if (bundle === undefined && optional) throw new SkipCheck();
  if (!bundle) throw new Error(`${configuration} is missing or has no caBundle`);
  return bundle;
}

async function serving(facts: Facts, name: string): Promise<{ chain: Certificate[]; keyPem: string }> {
  const secret = `linkerd-${name}-k8s-tls`;
  const [crt, keyPem] = await facts.secretTexts(secret, ["tls.crt", "tls.key"]);
  const chain = parseCertificates(crt!);
  if (chain.length === 0) throw new Error(`key tls.crt of secret ${secret} holds no PEM certificate`);
  return { chain, keyPem: keyPem! };
}
