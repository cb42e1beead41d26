import { type Certificate, validityError } from "#x509";
import { issuerProblem } from "../credentials.ts";
import { proxyContainerOf } from "../pods.ts";
import type { Category } from "./engine.ts";
import type { Facts } from "./facts.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** Long enough to plan a rotation. */
export const EXPIRY_WARNING_MS = 60 * DAY_MS;

export function identity(facts: Facts): Category {
  const anchors = async () => (await facts.trustAnchors()).certificates;
  const issuer = async () => (await facts.issuer()).chain[0]!;
  return {
    id: "linkerd-identity",
    checks: [
      {
        description: "certificate config is valid",
        hint: "l5d-identity-cert-config-valid",
        fatal: true,
        run: async () => {
          await facts.trustAnchors();
          await facts.issuer();
        },
      },
      {
        description: "trust anchors are using supported crypto algorithm",
        hint: "l5d-identity-trustAnchors-use-supported-crypto",
        fatal: true,
        run: async () => failOn((await anchors()).map(keyProblem), "Invalid trustAnchors:"),
      },
      {
        description: "trust anchors are within their validity period",
        hint: "l5d-identity-trustAnchors-are-time-valid",
        fatal: true,
        run: async () =>
          failOn(
            (await anchors()).map((anchor) => validityError(anchor, facts.nowMs)),
            "Invalid anchors:",
          ),
      },
      {
        description: "trust anchors are valid for at least 60 days",
        hint: "l5d-identity-trustAnchors-not-expiring-soon",
        warning: true,
        run: async () =>
          failOn(
            (await anchors()).map((anchor) => expiryProblem(anchor, facts.nowMs)),
            "Anchors expiring soon:",
          ),
      },
      {
        description: "issuer cert is using supported crypto algorithm",
        hint: "l5d-identity-issuer-cert-uses-supported-crypto",
        fatal: true,
        run: async () => failOn([keyProblem(await issuer())], "issuer certificate:"),
      },
      {
        description: "issuer cert is within its validity period",
        hint: "l5d-identity-issuer-cert-is-time-valid",
        fatal: true,
        run: async () => failOn([validityError(await issuer(), facts.nowMs)], "issuer certificate:"),
      },
      {
        description: "issuer cert is valid for at least 60 days",
        hint: "l5d-identity-issuer-cert-not-expiring-soon",
        warning: true,
        run: async () => failOn([expiryProblem(await issuer(), facts.nowMs)], "issuer certificate:"),
      },
      {
        description: "issuer cert is issued by the trust anchor",
        hint: "l5d-identity-issuer-cert-issued-by-trust-anchor",
        run: async () => {
          const { chain, keyPem } = await facts.issuer();
          failOn([issuerProblem(chain, await anchors(), keyPem, facts.nowMs)], "issuer certificate:");
        },
      },
    ],
  };
}

function keyProblem(certificate: Certificate): string | undefined {
  return certificate.keyKind === undefined
    ? `"${certificate.subject}" has a key of a kind that is not supported`
    : undefined;
}

/** Why a certificate needs renewal before long. */
export function expiryProblem(certificate: Certificate, nowMs: number): string | undefined {
  if (certificate.notAfterMs - nowMs >= EXPIRY_WARNING_MS) return undefined;
  return `"${certificate.subject}" will expire on ${new Date(certificate.notAfterMs).toISOString()}`;
}

function failOn(problems: readonly (string | undefined)[], heading: string): void {
  const found = problems.filter((problem) => problem !== undefined);
  if (found.length > 0) throw new Error(`${heading}\n${found.map((problem) => `\t* ${problem}`).join("\n")}`);
}

/** Proxies that carry their own copy of the trust roots must carry today's. */
export function dataPlaneIdentity(facts: Facts, namespace: string): Category {
  const run = async () => {
    const { pem } = await facts.trustAnchors();
    const stale = (await facts.dataPlanePods(namespace)).filter((pod) => {
      const env = proxyContainerOf(pod)?.env?.find(({ name }) => name === "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS");
      return env?.value !== undefined && env.value.trim() !== pem.trim();
    });
    if (stale.length === 0) return;
    const names = stale.map(({ metadata }) => `\t* ${namespace ? "" : `${metadata.namespace}/`}${metadata.name}`);
    throw new Error(`Some pods do not have the current trust bundle and must be restarted:\n${names.join("\n")}`);
  };
  const description = "data plane proxies certificate match CA";
  const hint = "l5d-identity-data-plane-proxies-certs-match-ca";
  return { id: "linkerd-identity-data-plane", checks: [{ description, hint, warning: true, run }] };
}
