import { type DeepPartial, trustDomain, type Values } from "#manifests/install";
import {
  Authority,
  type Certificate,
  createRootCa,
  issueServingCertificate,
  parseCertificates,
  parsePrivateKey,
  publicKeyDer,
  verifyChain,
} from "#x509";
import { CliError, messageOf } from "./cli-error.ts";
import { readText } from "./inputs.ts";

const YEAR_MS = 365 * 24 * 60 * 60 * 1000;

export interface IdentityFiles {
  readonly trustAnchorsFile?: string | undefined;
  readonly certificateFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

/** Certificates that install makes or reads, as values to lay over the others. */
export type Credentials = DeepPartial<Values>;

/**
 * The mesh's trust anchors and issuer: from files when any is named (then all three are needed), else a new self-signed
 * CA that is both, valid for a year. What an external issuer or CA provides is left alone.
 */
export async function identityCredentials(
  values: Values,
  files: IdentityFiles,
  namespace: string,
  nowMs: number,
): Promise<Credentials> {
  const isExternal = values.identity.issuer.scheme === "kubernetes.io/tls";
  if (isExternal && (files.certificateFile || files.keyFile)) {
    throw new CliError(
      "--identity-issuer-certificate-file and --identity-issuer-key-file cannot be used with --identity-external-issuer",
    );
  }
  if (isExternal) return files.trustAnchorsFile ? { identityTrustAnchorsPEM: readText(files.trustAnchorsFile) } : {};
  const given = files.trustAnchorsFile || files.certificateFile || files.keyFile;
  if (given) return fromFiles(files);
  if (values.identity.issuer.tls.crtPEM || values.identityTrustAnchorsPEM) return {};
  const name = `identity.${namespace}.${trustDomain(values)}`;
  const root = await createRootCa({ name, lifetimeMs: YEAR_MS, nowMs });
  return credentials(root.certPem, root.certPem, root.keyPem);
}

function fromFiles({ trustAnchorsFile, certificateFile, keyFile }: IdentityFiles): Credentials {
  const missing = "must be specified if other credentials are provided";
  if (!trustAnchorsFile) throw new CliError(`a trust anchors file ${missing}: add --identity-trust-anchors-file`);
  if (!certificateFile) throw new CliError(`a certificate file ${missing}: add --identity-issuer-certificate-file`);
  if (!keyFile) throw new CliError(`a private key file ${missing}: add --identity-issuer-key-file`);
  return credentials(readText(trustAnchorsFile), readText(certificateFile), readText(keyFile));
}

function credentials(anchorsPem: string, crtPEM: string, keyPEM: string): Credentials {
  return { identityTrustAnchorsPEM: anchorsPem, identity: { issuer: { tls: { crtPEM, keyPEM } } } };
}

/** Refuses an issuer that could certify nobody: unreadable, a key that is another's, no CA, or not under the anchors. */
export async function validateIssuer(values: Values, nowMs: number): Promise<void> {
  if (values.identity.issuer.scheme !== "linkerd.io/tls" || values.identity.externalCA) return;
  const { crtPEM, keyPEM } = values.identity.issuer.tls;
  const anchors = readCertificates(values.identityTrustAnchorsPEM, "the trust anchors");
  const chain = readCertificates(crtPEM, "the issuer's certificate");
  const problem = issuerProblem(chain, anchors, keyPEM, nowMs);
  if (problem) throw new CliError(`failed to validate issuer credentials: ${problem}`);
  await Authority.load(crtPEM, keyPEM).catch((cause: unknown) => {
    throw new CliError(`failed to validate issuer credentials: ${messageOf(cause)}`, { cause });
  });
}

function readCertificates(pem: string, what: string): Certificate[] {
  let found: Certificate[];
  try {
    found = parseCertificates(pem);
  } catch (cause) {
    throw new CliError(`Cannot read ${what}: ${messageOf(cause)}`, { cause });
  }
  if (found.length === 0) throw new CliError(`Cannot read ${what}: no PEM certificate in it`);
  return found;
}

/** Why the issuer (first of `chain`) cannot serve under `anchors`; undefined when it can. */
export function issuerProblem(
  chain: readonly Certificate[],
  anchors: readonly Certificate[],
  keyPem: string | undefined,
  nowMs: number,
): string | undefined {
  const [issuer, ...intermediates] = chain;
  if (!issuer) return "there is no issuer certificate";
  if (!issuer.isCa) return `"${issuer.subject}" is not a CA: it could not sign the proxies' certificates`;
  if (keyPem !== undefined) {
    const mismatch = keyProblem(issuer, keyPem);
    if (mismatch) return mismatch;
  }
  const verdict = verifyChain({ certificate: issuer, intermediates, roots: anchors, nowMs });
  return verdict.error === undefined
    ? undefined
    : `"${issuer.subject}" is not issued by the trust anchors: ${verdict.error}`;
}

function keyProblem(issuer: Certificate, keyPem: string): string | undefined {
  try {
    const own = Buffer.from(publicKeyDer(parsePrivateKey(keyPem)));
    return own.equals(Buffer.from(issuer.publicKeyDer)) ? undefined : `the key does not belong to "${issuer.subject}"`;
  } catch (cause) {
    return messageOf(cause);
  }
}

const WEBHOOKS = {
  proxyInjector: "linkerd-proxy-injector",
  profileValidator: "linkerd-sp-validator",
  policyValidator: "linkerd-policy-validator",
} as const;

/** A certificate for each webhook that has none, from a CA of its own whose key is thrown away. */
export async function webhookCredentials(values: Values, namespace: string, nowMs: number): Promise<Credentials> {
  const made: Record<string, unknown> = {};
  for (const [key, service] of Object.entries(WEBHOOKS)) {
    const own = values[key as keyof typeof WEBHOOKS];
    if (own.externalSecret || own.crtPEM) continue;
    made[key] = await webhookCertificate(`${service}.${namespace}.svc`, own.caBundle, nowMs);
  }
  return made as Credentials;
}

async function webhookCertificate(host: string, caBundle: string, nowMs: number): Promise<Record<string, string>> {
  if (caBundle) {
    throw new CliError(
      `Cannot make a certificate for ${host}: a caBundle is set without crtPEM and keyPEM; set all three`,
    );
  }
  const ca = await createRootCa({ name: `${host} CA`, lifetimeMs: YEAR_MS, nowMs });
  const leaf = await issueServingCertificate(ca, { dnsNames: [host], lifetimeMs: YEAR_MS, nowMs });
  return { crtPEM: leaf.certPem, keyPEM: leaf.keyPem, caBundle: ca.certPem };
}
